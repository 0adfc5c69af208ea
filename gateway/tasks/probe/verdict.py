"""What the outcome of a probe means for a link: `ok`, `moved`, `unsure`, `broken` or `invalid`. Pure.

A link is `broken` only where the site says so, as by 404, or where it failed twice. What a browser may see otherwise,
or a later probe, is `unsure`: bot protection, a rate limit, a login, a failure seen once. The code is never changed.
"""

import re
from dataclasses import replace
from typing import NamedTuple
from urllib.parse import urlsplit

from gateway.tasks.models import ProbeError, ProbeOutcome, Verdict

HEAD_BYTES = 8 * 1024
"""How much of a head is searched for marks of bot protection."""
BROKEN_ATTEMPTS = 2
"""How many failed attempts make a link `broken`."""
UNSURE_CODES = frozenset({401, 403, 406, 408, 425, 429, 999})
"""Codes of a page that may be there for others, or later: a login, a refusal, a rate limit (RFC 9110, 15.5; RFC 8470,
5.2; RFC 6585, 4). LinkedIn answers bots by 999."""


class BotProtection(NamedTuple):
    """A service that answers bots in place of a site: its mark in the head, and the codes it answers by, if few."""

    name: str
    mark: str
    codes: frozenset[int]
    source: str


_ANY: frozenset[int] = frozenset()
_REFUSALS = frozenset({403, 429, 503})
BOT_PROTECTIONS = (
    BotProtection(
        "Cloudflare", r"cf-mitigated:[ \t]*challenge", _ANY,
        "https://developers.cloudflare.com/cloudflare-challenges/challenge-types/challenge-pages/detect-response/",
    ),
    BotProtection(
        "Cloudflare", r"server:[ \t]*cloudflare", frozenset({503}),
        "https://developers.cloudflare.com/fundamentals/reference/under-attack-mode/ (503 until 2022)",
    ),
    BotProtection(
        "AWS WAF", r"x-amzn-waf-action:[ \t]*(?:challenge|captcha)", _ANY,
        "https://docs.aws.amazon.com/waf/latest/developerguide/waf-captcha-and-challenge-actions.html",
    ),
    BotProtection("Vercel", r"x-vercel-mitigated:", _ANY, "https://vercel.com/docs/vercel-firewall"),
    BotProtection("Sucuri", r"x-sucuri-block:", _ANY, "https://github.com/Ekultek/WhatWaf/issues/1161"),
    BotProtection("DataDome", r"x-(?:dd-b|datadome-cid):", _REFUSALS, "https://github.com/microlinkhq/is-antibot/pull/15"),
    BotProtection("DDoS-Guard", r"server:[ \t]*ddos-guard", _REFUSALS, "https://github.com/Ekultek/WhatWaf/issues/1005"),
    BotProtection("Akamai", r"server:[ \t]*akamaighost", _REFUSALS, "https://github.com/Ekultek/WhatWaf"),
    BotProtection("Anubis", r"set-cookie:[ \t]*techaro\.lol-anubis", _ANY, "https://github.com/TecharoHQ/anubis"),
)  # fmt: skip
"""A header that such a service also sends with good answers is no mark."""
_MARKS = re.compile("|".join(f"\n({service.mark})" for service in BOT_PROTECTIONS).encode(), re.IGNORECASE)

_LOGIN_NAMES = (
    "log[-_]?(?:in|on)|sign[-_]?in|sso|saml2?|oauth2?|authorize|auth(?:wall)?|idp|adfs|consent|checkpoint|sorry"
)
_LOGIN_PATH = re.compile(rf"(?:^|/)(?:(?:{_LOGIN_NAMES})(?:[./]|$)|wp-login\.php|ServiceLogin)", re.IGNORECASE)
_LOGIN_HOST = re.compile(rf"(?:{_LOGIN_NAMES}|accounts)\.", re.IGNORECASE)
_NOT_ASKED = frozenset({ProbeError.INVALID_URL, ProbeError.UNSUPPORTED_SCHEME, ProbeError.BLOCKED})
_PERMANENT = frozenset({301, 308})
_DEEP = 2
"""A redirect from a path of so many segments, or more, to the front page says that the page is gone."""


def find_bot_protection(code: int, head: bytes) -> str | None:
    """The name of the service that answered in place of the site, by the head of its answer."""
    for match in _MARKS.finditer(head, 0, HEAD_BYTES):
        service = BOT_PROTECTIONS[(match.lastindex or 1) - 1]
        if not service.codes or code in service.codes:
            return service.name
    return None


def is_transient(outcome: ProbeOutcome) -> bool:
    """Whether another attempt may end otherwise: after no answer, and after a 5xx of the site itself.

    A text that is no URL, and an address that may not be asked, stay what they are.
    """
    if outcome.error is not None:
        return outcome.error not in _NOT_ASKED
    return outcome.code >= 500 and outcome.code not in UNSURE_CODES and outcome.bot_protection is None


def judge(url: str, outcome: ProbeOutcome) -> ProbeOutcome:
    """The outcome of a probe of `url` with its verdict; the reason is its `detail`, unless it has another."""
    if 200 <= outcome.code < 300 and not outcome.hops and outcome.bot_protection is None:
        return outcome
    verdict, reason = _judge_error(outcome) if outcome.error else _judge_answer(url, outcome)
    return replace(outcome, verdict=verdict, detail=outcome.detail or reason)


def _judge_error(outcome: ProbeOutcome) -> tuple[Verdict, str | None]:
    if outcome.error is ProbeError.BLOCKED:
        return Verdict.UNSURE, None
    if outcome.error in _NOT_ASKED:
        return Verdict.INVALID, None
    return Verdict.BROKEN if outcome.attempts >= BROKEN_ATTEMPTS else Verdict.UNSURE, None


def _judge_answer(url: str, outcome: ProbeOutcome) -> tuple[Verdict, str | None]:
    if outcome.bot_protection is not None:
        return Verdict.UNSURE, f"{outcome.bot_protection} answered in place of the site (bot protection)"
    if outcome.code in UNSURE_CODES or outcome.retry_after_s is not None:
        return Verdict.UNSURE, None
    if outcome.code >= 400:
        once = is_transient(outcome) and 0 < outcome.attempts < BROKEN_ATTEMPTS
        return Verdict.UNSURE if once else Verdict.BROKEN, None
    codes = [hop.code for hop in outcome.hops]
    led_to = outcome.final_url
    if outcome.code >= 300 and outcome.location:
        codes.append(outcome.code)
        led_to = outcome.location
    if not led_to:
        return Verdict.OK, None
    reason = _find_other_page(url, led_to)
    if reason:
        return Verdict.UNSURE, reason
    return Verdict.MOVED if _PERMANENT.intersection(codes) else Verdict.OK, None


def _find_other_page(url: str, led_to: str) -> str | None:
    """Says what a redirect leads to, if that is a login or the front page in place of the page asked for."""
    try:
        asked, found = urlsplit(url), urlsplit(led_to)
    except ValueError:
        return None
    if _is_login(found.netloc, found.path) and not _is_login(asked.netloc, asked.path):
        return "it leads to a login"
    depth = len([segment for segment in asked.path.split("/") if segment])
    is_front = found.path == "/" or (found.netloc and not found.path)
    if depth >= _DEEP and is_front and not found.query:
        return "it leads to the front page"
    return None


def _is_login(host: str, path: str) -> bool:
    return bool(_LOGIN_PATH.search(path) or _LOGIN_HOST.match(host))
