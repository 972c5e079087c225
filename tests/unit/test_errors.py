"""Every error has the exit status of the contract."""

from __future__ import annotations

import pytest

from authgate_cli import errors
from authgate_cli.oauth.authorization import Denied
from authgate_cli.sign_in.callback_server import CallbackTimeout, CallbackUnavailable

EXIT_STATUS = {
    errors.Refused: 1,
    errors.Mismatch: 1,
    errors.NoSubject: 1,
    errors.FlowUnavailable: 1,
    errors.UsageError: 2,
    errors.Unreachable: 3,
    CallbackUnavailable: 3,
    errors.SignInNeeded: 4,
    errors.TokenRefused: 4,
    CallbackTimeout: 4,
    errors.StoreFailed: 5,
    errors.StoreCorrupt: 5,
    errors.KeyringUnavailable: 5,
}


@pytest.mark.parametrize(("kind", "status"), EXIT_STATUS.items(), ids=lambda value: getattr(value, "__name__", ""))
def test_exit_status_is_that_of_the_contract(kind, status):
    assert kind("no").exit_status == status


def test_a_denial_is_an_answer_that_asks_to_sign_in_again():
    assert (Denied().exit_status, Denied().hint) == (4, "run authgate.pyz login to try again")


def test_no_error_is_forgotten_here():
    defined = {kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)}
    assert defined - {errors.AuthGateError} == set(EXIT_STATUS) - {CallbackUnavailable, CallbackTimeout}


@pytest.mark.parametrize("kind", [CallbackUnavailable, CallbackTimeout], ids=lambda kind: kind.__name__)
def test_auto_can_go_on_with_another_flow(kind):
    assert issubclass(kind, errors.FlowUnavailable)


@pytest.mark.parametrize("kind", [Denied, errors.Refused], ids=lambda kind: kind.__name__)
def test_nothing_is_tried_after_a_final_answer(kind):
    assert not issubclass(kind, errors.FlowUnavailable)


def test_sentence_begins_with_a_capital():
    assert errors.Refused("the server said no to Jane").sentence == "The server said no to Jane"


def test_no_except_exception_stops_a_termination():
    assert not issubclass(errors.Terminated, Exception)


def test_a_request_counts_as_sent_unless_that_is_impossible():
    assert errors.Unreachable("no").sent is True
