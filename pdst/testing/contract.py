"""In: named checks. Out: their results; one error that lists every failure that is not allowed."""

import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Literal, NoReturn

from pdst.errors import PdstError, SettingsError, unknown_name

log = logging.getLogger(__name__)


class BrokenContractError(PdstError, AssertionError):
    """An object does not keep what its protocol promises. For pytest it is a failed assertion."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """What became of one check.

    Attributes:
        name: of the check, which is its claim ("check_order_is_kept").
        status: "passed"; "failed"; "allowed": failed, as the caller expected; "not run": what it
            builds on has failed.
        detail: why it failed or was not run, or a remark; else empty.
    """

    name: str
    status: Literal["passed", "failed", "allowed", "not run"]
    detail: str = ""


def broken(message: str) -> NoReturn:
    """Fail a check: thing, got, wanted, next step."""
    raise BrokenContractError(message)


def run_checks(
    what: str,
    checks: Mapping[str, Callable[[], None]],
    *,
    foundations: Collection[str] = (),
    allow: Mapping[str, str] | None = None,
) -> list[CheckResult]:
    """Run checks in order.

    Args:
        what: is checked, for the error's first line.
        checks: name -> check; a check fails by raising any exception.
        foundations: names of checks without which no later one means anything.
        allow: name -> reason of known failures. One that passes nonetheless is logged, and says so
            in its detail.

    Returns:
        One result a check, in order.

    Raises:
        SettingsError: if `allow` names no check, or gives no reason.
        BrokenContractError: if a check failed that is not allowed to; it lists all of them.
    """
    allow = allow or {}
    for name, reason in allow.items():
        if name not in checks:
            raise SettingsError(f"allow: {unknown_name('check', name, checks)}")
        if not reason.strip():
            raise SettingsError(f"allow['{name}'] is empty: say why this failure is acceptable.")
    results: list[CheckResult] = []
    first_error: Exception | None = None
    missing = ""
    for name, check in checks.items():
        if missing:
            result = CheckResult(name=name, status="not run", detail=f"{missing} failed")
        else:
            try:
                check()
            except Exception as error:
                told = str(error) if isinstance(error, PdstError) else f"raised {error!r}"
                if name in allow:
                    told = f"{told} (allowed: {allow[name]})"
                else:
                    first_error = first_error or error
                result = CheckResult(
                    name=name, status="allowed" if name in allow else "failed", detail=told
                )
                missing = name if name in foundations else ""
            else:
                result = _passed(name, allow)
        results.append(result)
    failed = [result for result in results if result.status == "failed"]
    if failed:
        lines = [f"{what} breaks {len(failed)} of {len(checks)} claims:"]
        lines += [f"  {result.name}: {result.detail}" for result in failed]
        skipped = [result.name for result in results if result.status == "not run"]
        lines += [f"  not run: {', '.join(skipped)}"] if skipped else []
        lines.append("Mend it, or allow a known failure: allow={name: reason}.")
        raise BrokenContractError("\n".join(lines)) from first_error
    return results


def _passed(name: str, allow: Mapping[str, str]) -> CheckResult:
    if name not in allow:
        return CheckResult(name=name, status="passed")
    detail = f"passes, though allowed to fail ({allow[name]}): take it out of allow"
    log.warning("%s %s", name, detail)
    return CheckResult(name=name, status="passed", detail=detail)
