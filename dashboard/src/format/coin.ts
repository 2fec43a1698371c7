/** The coin that a person means: small letters alone are taken as capitals (btc is BTC), anything else as it stands (wstETH). */
export function asTyped(text: string): string {
  const coin = text.trim();
  return /^[\x21-\x7e]+$/.test(coin) && coin === coin.toLowerCase() ? coin.toUpperCase() : coin;
}
