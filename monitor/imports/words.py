"""The words by which desks head the columns of their tables, in English, German, Portuguese, Polish, Swedish and Russian.

A header is a set of notions: "Collateral quantity" is COLLATERAL and AMOUNT. Words are
folded (`folded`): no accents, no case.
"""

from __future__ import annotations

import re
import unicodedata
from enum import Enum
from functools import cache


class Notion(Enum):
    """What a word of a header means."""

    GROUP = "group"
    BORROWER = "borrower"
    LOAN = "loan"
    COLLATERAL = "collateral"
    COIN = "coin"
    AMOUNT = "amount"
    PRINCIPAL = "principal"
    INTEREST = "interest"
    RATE = "rate"
    DAILY = "daily"
    YEARLY = "yearly"
    ID = "id"
    ACCOUNT = "account"
    RECEIVING = "receiving"
    OPENED = "opened"
    MATURES = "matures"
    TERM = "term"
    PRODUCT = "product"
    MAIL = "mail"
    PHONE = "phone"
    DESK = "desk"
    GRACE = "grace"
    VIP = "vip"
    LEVERAGE = "leverage"
    INITIAL = "initial"
    CALL = "call"
    LIQUIDATION = "liquidation"
    DATE = "date"
    WORTH = "worth"
    REMARK = "remark"


_WORDS = {
    Notion.GROUP: "group groupid gruppe grupo grupa grupp группа группы position facility fazilitat",
    Notion.BORROWER: """
        borrower client customer counterparty obligor kunde kreditnehmer darlehensnehmer cliente mutuario tomador klient
        pozyczkobiorca kredytobiorca kund lantagare клиент заемщик name nome nazwa namn имя наименование
    """,
    Notion.LOAN: """
        loan loans debt credit borrowed lent owed kredit kredite darlehen schuld schulden emprestimo emprestimos divida
        credito pozyczka pozyczki kredyt dlug lan skuld кредит кредита кредиты займ займа долг долга заем
    """,
    Notion.COLLATERAL: """
        collateral collaterals pledge pledged security sicherheit sicherheiten besicherung pfand garantia garantias
        colateral caucao zabezpieczenie zabezpieczenia zastaw sakerhet sakerheter pant залог залога обеспечение
        обеспечения
    """,
    Notion.COIN: """
        coin asset currency ccy token symbol ticker wahrung munze moeda ativo waluta moneta aktywo valuta mynt tillgang
        монета валюта актив токен
    """,
    Notion.AMOUNT: """
        amount quantity qty balance size units menge betrag anzahl bestand stuck quantidade montante saldo ilosc kwota
        mangd antal belopp количество сумма объем остаток holding
    """,
    Notion.PRINCIPAL: """
        principal outstanding nominal notional hauptsumme kapital kapitalbetrag restschuld capital kapitalbelopp тело
        основной
    """,
    Notion.INTEREST: "interest accrued zins zinsen juros odsetki ranta проценты процент",
    Notion.RATE: "rate apr apy zinssatz satz taxa stopa oprocentowanie rantesats ставка",
    Notion.DAILY: "daily day tag taglich diaria diario dia dzienna dzien dag daglig дневная день",
    Notion.YEARLY: """
        annual yearly year annum pa apr apy jahr jahrlich anual ano roczna rok ar arlig годовая год годовых
    """,
    Notion.ID: """
        id identifier number no nr num ref reference key code nummer kennung numer numero codigo номер код
    """,
    Notion.ACCOUNT: "account wallet konto conta carteira portfel rachunek счет кошелек subaccount",
    Notion.RECEIVING: """
        receiving receive spot payout auszahlung empfang recebimento odbiorcze mottagande получения
    """,
    Notion.OPENED: """
        opened open start started opening drawdown disbursed inception eroffnet beginn begonnen abertura inicio otwarcia
        uruchomienia oppnad startdatum открытия выдачи начало
    """,
    Notion.MATURES: """
        maturity matures due expiry expires repayment fallig falligkeit laufzeitende vencimento zapadalnosci splaty
        forfallodag forfall погашения возврата
    """,
    Notion.TERM: "term tenor duration laufzeit prazo okres loptid срок",
    Notion.PRODUCT: "product agreement produkt produto vertrag contrato umowa avtal продукт договор",
    Notion.MAIL: "email mail",
    Notion.PHONE: "phone mobile sms telefon telefone celular телефон",
    Notion.DESK: "desk region team branch",
    Notion.GRACE: "grace delayed gnadenfrist nachfrist carencia",
    Notion.VIP: "vip",
    Notion.LEVERAGE: "leverage hebel alavancagem dzwignia havstang плечо",
    Notion.INITIAL: "initial",
    Notion.CALL: "call nachschuss chamada",
    Notion.LIQUIDATION: "liquidation liquidacao likwidacja likvidation ликвидация",
    Notion.DATE: "date datum data дата",
    Notion.WORTH: """
        value worth price ltv wert kurs preis valor preco cotacao wartosc cena varde pris kurs стоимость цена
        oraclevalue health margin coverage
    """,
    Notion.REMARK: """
        stage status state note notes comment comments remark bemerkung kommentar notiz observacao uwagi anteckning
        комментарий примечание статус
    """,
}
_TOTALS = """
    total totals sum subtotal summe gesamt gesamtsumme zwischensumme soma somatorio razem suma lacznie ogolem totalt summa
    delsumma итого всего сумма
"""
_TOTAL_COMPANY = """grand sub of all the in for usd eur and"""
_SPLIT = re.compile(r"[^\w]+", re.UNICODE)
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")


@cache
def folded(text: str) -> str:
    """The text without accents, case and punctuation, its words apart by one space."""
    text = _CAMEL.sub(" ", text).replace("ł", "l").replace("Ł", "l").replace("ß", "ss")
    flat = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c) or "Ѐ" <= c <= "ӿ")
    return " ".join(_SPLIT.sub(" ", flat.replace("_", " ").casefold()).split())


_FOLDED_TOTALS = frozenset(map(folded, _TOTALS.split()))
_NOTIONS = {folded(word): notion for notion, words in _WORDS.items() for word in words.split()}


@cache
def notions_of(header: str) -> frozenset[Notion]:
    """The notions of a header's words."""
    text = folded(header.replace("e-mail", "email").replace("E-Mail", "email"))
    found = {notion for word in text.split() for notion in _of_word(word)}
    if "margin call" in text:
        found = found - {Notion.WORTH} | {Notion.CALL}
    if "p a" in text:
        found.add(Notion.YEARLY)
    if text.startswith("interest rate"):
        found.add(Notion.RATE)
    return frozenset(found)


def _of_word(word: str) -> set[Notion]:
    """The notion of a word, or the two of one that is put together: Kreditbetrag, Sicherheitenmenge."""
    if (known := _NOTIONS.get(word)) is not None:
        return {known}
    for end in range(3, len(word) - 2):
        head, tail = word[:end], word[end:]
        if tail in _NOTIONS:
            for stem in (head, head.removesuffix("s"), head.removesuffix("en")):
                if stem in _NOTIONS and len(stem) > 2:
                    return {_NOTIONS[stem], _NOTIONS[tail]}
    return set()


def is_total(text: str) -> bool:
    """The text is the head of a row of totals: such a word and nothing that names a borrower."""
    words = folded(text).split()
    return (
        bool(words)
        and any(w in _FOLDED_TOTALS for w in words)
        and all(w in _FOLDED_TOTALS or w in _TOTAL_COMPANY.split() or w in _NOTIONS or w.isdigit() for w in words)
    )
