"""The command `webhook-key`: makes a key, and rotates one."""

from __future__ import annotations

from pathlib import Path

from monitor.audit_keys import write_private
from monitor.cli import output
from monitor.cli.options import FINE, TROUBLE, WRONG, Flag
from monitor.secret_files import BadSecret
from monitor.text_files import read_text
from monitor.webhook_keys import new_key, signers_of


def webhook_key(file: Path, *, pair: Flag = False) -> int:
    """Makes a key for a webhook and puts it before the keys that a file holds: all of them sign.

    To rotate a key, run it again and send SIGHUP; delete the old line when the receiver uses the new key.

    Parameters
    ----------
    file: the secret file of the webhook, made where there is none. Only its owner can read it.
    pair: a key pair (ed25519), whose private part the receiver never has, in place of a shared secret.
    """
    try:
        old = read_text(file).split() if file.exists() else []
        signers_of("\n".join(old))
    except (OSError, UnicodeDecodeError) as e:
        output.problems([f"{file}: cannot be read: {e}"])
        return WRONG
    except BadSecret as e:
        output.problems([f"{file}: holds something else than keys of webhooks, and stays as it is: {e}"])
        return WRONG
    made = new_key("pair" if pair else "secret")
    try:
        write_private(file, "\n".join([made.secret, *old]) + "\n")
    except OSError as e:
        output.problems([f"{file}: cannot be written: {e.strerror or e}"])
        return TROUBLE
    output.say(f"{file}: a new key stands first, {len(old)} older behind it" if old else f"{file}: a new key")
    output.say(
        f"The receiver verifies with {made.public}" if pair else "The receiver needs the first line of the file."
    )
    return FINE
