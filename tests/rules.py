"""Every rule that this client keeps, and the tests that prove it; unit/test_rules.py checks the table.

M is a must and S a should of the RFC that the heading names, H is hardening of our own. A rule has
one row; a row names tests as pytest does, by file and function.
"""

from __future__ import annotations

from typing import NamedTuple

HEADINGS = {
    "Client authentication (RFC 6749)": 1,
    "UserInfo (OpenID Connect Core)": 2,
    "Tokens (RFC 6749, RFC 6750)": 2,
    "Native app (RFC 8252)": 8,
    "PKCE (RFC 7636)": 4,
    "Device (RFC 8628)": 14,
    "OAuth security (RFC 9700)": 11,
    "Callback": 14,
    "Issuer (RFC 9207, RFC 8414)": 4,
    "ID token (OpenID Connect Core)": 13,
    "Revocation (RFC 7009)": 4,
    "Token binding": 5,
    "HTTP": 16,
    "Files": 13,
    "Signals and core files": 2,
}


class Rule(NamedTuple):
    """One rule and its tests, as pytest names them."""

    heading: str
    strength: str
    words: str
    tests: tuple[str, ...]


def _under(heading: str, *rows: tuple[str, ...]) -> list[Rule]:
    return [
        Rule(heading, strength, words, tuple("tests/" + test for test in tests)) for strength, words, *tests in rows
    ]


BROWSER, DEVICE = "flows/test_browser_flow.py", "flows/test_device_flow.py"
NEIGHBOURS, ORIGINS, FORGED = "flows/test_neighbours.py", "flows/test_origins.py", "flows/test_forged_tokens.py"
REPORT, LIFE, LOGOUT = "flows/test_login_report.py", "flows/test_token_life.py", "flows/test_logout.py"
LISTENER, HTTP, FILES = (
    "unit/sign_in/test_callback_server.py",
    "unit/system/test_http.py",
    "unit/store/test_private_file.py",
)
ASKED, PKCE, POLLER = "unit/oauth/test_authorization.py", "unit/oauth/test_pkce.py", "unit/oauth/test_device.py"
DISCOVERY, BACK, ID_TOKEN = "unit/oauth/test_metadata.py", "unit/oauth/test_callback.py", "unit/oauth/test_id_token.py"
KEYS, BINDING = "unit/oauth/test_jwks.py", "unit/store/test_find_for_issuer.py"
TLS, PROXY, SECRETS = "cli/test_certificates.py", "cli/test_behind_a_proxy.py", "cli/test_secrets.py"

OTHERS = "flows/test_other_providers.py"

RULES = [
    *_under(
        "Client authentication (RFC 6749)",
        (
            *("H", "a refused method is answered once with the other, which serves for the run, in every grant"),
            f"{OTHERS}::test_a_client_gets_in_by_its_own_method_whatever_the_list_says",
            f"{OTHERS}::test_polls_try_the_other_method_once_and_keep_it",
            f"{OTHERS}::test_a_wrong_secret_is_tried_by_both_methods_and_no_more",
        ),
    ),
    *_under(
        "UserInfo (OpenID Connect Core)",
        (
            *("M", "for a person only a 200 with sub, or 403 insufficient_scope, counts as accepted"),
            f"{OTHERS}::test_a_403_says_nothing_good_of_a_ready_token",
            f"{OTHERS}::test_a_403_for_a_token_that_was_just_issued_is_told_and_no_failure",
            f"{OTHERS}::test_a_lack_of_scope_says_that_the_token_is_good_and_how_to_ask_for_openid",
        ),
        (
            *("M", "about a machine's token its refusal proves nothing"),
            f"{OTHERS}::test_userinfo_proves_nothing_of_a_machine",
            f"{OTHERS}::test_a_machine_that_tokeninfo_refuses_is_refused",
        ),
    ),
    *_under(
        "Tokens (RFC 6749, RFC 6750)",
        (
            *("M", "tokens and device codes may hold any printable ASCII, spaces too"),
            f"{OTHERS}::test_an_access_token_that_no_header_can_hold_is_kept_and_not_sent_as_bearer",
            f"{OTHERS}::test_a_refresh_token_with_a_space_is_stored_sent_rotated_and_revoked",
            f"{OTHERS}::test_a_device_code_with_a_space_is_sent_as_it_is",
        ),
        (
            *("M", "only an access token that goes into a header must be a b64token"),
            f"{OTHERS}::test_an_access_token_that_no_header_can_hold_is_kept_and_not_sent_as_bearer",
        ),
    ),
    *_under(
        "Native app (RFC 8252)",
        (
            *("M", "the browser is a program of its own, and never a view of ours"),
            f"{BROWSER}::test_address_is_printed_before_it_is_opened",
            "unit/system/test_browser.py::test_a_browser_gets_nothing_of_our_terminal_and_is_not_waited_for",
        ),
        (
            *("M", "the listener has loopback addresses only"),
            f"{LISTENER}::test_only_loopback_is_listened_on",
            "unit/test_settings.py::test_a_bad_value_is_refused_and_its_variable_named",
        ),
        (
            *("M", "it opens with the request and closes after the answer"),
            f"{NEIGHBOURS}::test_the_port_is_open_only_while_somebody_is_asked",
            f"{BROWSER}::test_nothing_listens_afterwards",
        ),
        ("M", "every request has PKCE", f"{BROWSER}::test_request_carries_pkce_state_and_no_nonce_without_openid"),
        (
            *("M", "a second process that holds the port is noticed, and the port never shared"),
            f"{LISTENER}::test_a_port_that_somebody_has_is_never_shared",
            f"{LISTENER}::test_a_second_listener_is_noticed",
            f"{NEIGHBOURS}::test_a_neighbour_who_takes_the_port_first_is_sent_nothing",
        ),
        (
            *("M", "on Windows the bind is exclusive and reuses no address"),
            f"{LISTENER}::test_on_windows_the_port_is_bound_exclusively",
        ),
        (
            "S",
            "the callback is the literal 127.0.0.1",
            "unit/test_settings.py::test_defaults_are_those_of_the_contract",
        ),
        (
            *("S", "or localhost, where that is what is registered"),
            f"{BROWSER}::test_localhost_callback_works_as_given",
            f"{LISTENER}::test_localhost_is_served_on_both_of_its_addresses",
        ),
    ),
    *_under(
        "PKCE (RFC 7636)",
        (
            *("M", "the verifier is 43 unreserved characters from 32 random bytes"),
            f"{PKCE}::test_a_secret_is_43_unreserved_characters",
            f"{PKCE}::test_a_secret_is_made_of_32_random_bytes",
            f"{BROWSER}::test_random_bytes_are_those_of_the_system",
        ),
        ("M", "it is new for every attempt", f"{BROWSER}::test_every_attempt_has_secrets_of_its_own"),
        (
            *("M", "the method is S256, in base64url without padding"),
            f"{PKCE}::test_the_challenge_is_that_of_appendix_b",
            f"{ASKED}::test_the_address_has_state_nonce_and_the_s256_challenge",
        ),
        ("M", "a server without S256 gets no plain instead", f"{BROWSER}::test_there_is_no_way_back_to_plain_pkce"),
    ),
    *_under(
        "Device (RFC 8628)",
        (
            *("M", "the user code is shown, even beside the complete address"),
            f"{DEVICE}::test_user_code_is_shown_beside_the_complete_address",
        ),
        (
            *("M", "the interval is 5 s where the server names none"),
            f"{DEVICE}::test_interval_is_five_seconds_when_the_server_names_none",
        ),
        (
            *("M", "slow_down adds 5 s for good"),
            f"{DEVICE}::test_slow_down_adds_five_seconds_for_good",
            f"{POLLER}::test_the_next_question_is_due_as_the_answers_say",
        ),
        (
            *("M", "or takes the larger interval that came with it"),
            f"{POLLER}::test_the_next_question_is_due_as_the_answers_say",
        ),
        (
            *("M", "a time-out lowers the rate, more each time"),
            f"{DEVICE}::test_failures_are_followed_by_longer_and_longer_pauses",
            f"{POLLER}::test_the_next_question_is_due_as_the_answers_say",
        ),
        (
            *("H", "429, 5xx, what is no JSON and a broken network are waited out"),
            f"{DEVICE}::test_what_passes_is_waited_out",
            "flows/test_rate_limits.py::test_both_get_in",
        ),
        ("H", "Retry-After is honoured", f"{DEVICE}::test_retry_after_is_honoured"),
        ("H", "any other error stops at once", f"{DEVICE}::test_refusal_while_polling_stops_at_once"),
        (
            *("H", "waiting is measured on a monotonic clock"),
            f"{POLLER}::test_the_code_runs_out_by_the_monotonic_clock",
            f"{DEVICE}::test_code_that_nobody_approves_runs_out_by_our_own_clock",
        ),
        (
            *("H", "sleep of the machine and steps of its clock do no harm"),
            f"{DEVICE}::test_a_wall_clock_that_is_set_meanwhile_does_no_harm",
            f"{DEVICE}::test_a_laptop_that_was_asleep_asks_once_more_or_says_that_the_code_expired",
        ),
        (
            *("H", "only web addresses are shown"),
            f"{POLLER}::test_only_web_addresses_are_shown",
            f"{DEVICE}::test_device_code_that_is_not_given_is_an_error",
        ),
        (
            *("H", "the device code is never shown"),
            f"{DEVICE}::test_address_and_code_are_shown_and_the_device_code_never",
        ),
        (
            *("H", "PKCE in the device flow as well"),
            f"{DEVICE}::test_device_flow_has_pkce",
            f"{DEVICE}::test_every_device_sign_in_has_a_verifier_of_its_own",
            f"{POLLER}::test_the_request_has_a_challenge",
        ),
        (
            *("H", "at least one second between polls"),
            f"{DEVICE}::test_polls_are_a_second_apart_whatever_the_server_says",
            f"{POLLER}::test_there_is_at_least_a_second_between_polls_whatever_the_server_says",
        ),
    ),
    *_under(
        "OAuth security (RFC 9700)",
        (
            *("M", "state, nonce and PKCE go out together"),
            f"{ASKED}::test_the_address_has_state_nonce_and_the_s256_challenge",
            f"{BROWSER}::test_openid_brings_a_nonce_and_an_id_token",
        ),
        ("M", "state is compared in constant time", f"{BACK}::test_the_state_is_compared_in_constant_time"),
        (
            *("M", "no token is in a URL"),
            f"{ORIGINS}::test_no_token_is_in_the_address_of_a_request",
            "unit/oauth/test_messages.py::test_a_token_travels_in_the_header_alone",
        ),
        (
            *("H", "the issuer is https, loopback aside"),
            "unit/test_settings.py::test_a_bad_server_url_is_refused",
            f"{ORIGINS}::test_a_server_on_plain_http_is_refused_with_the_address_over_https",
        ),
        (
            *("H", "so is every endpoint, and none is inside this machine unless the issuer is"),
            f"{DISCOVERY}::test_no_endpoint_may_be_plain_http_or_inside_this_machine",
            f"{ORIGINS}::test_an_endpoint_on_plain_http_is_refused_before_anything_is_sent",
            f"{PROXY}::test_a_server_out_in_the_network_has_no_endpoints_on_this_machine",
        ),
        (
            *("H", "plain http is refused with a hint"),
            "unit/test_settings.py::test_the_hint_for_plain_http_is_the_same_url_over_https",
            f"{ORIGINS}::test_a_server_on_plain_http_is_refused_with_the_address_over_https",
        ),
        (
            *("H", "token, revocation, UserInfo and TokenInfo requests follow no redirect"),
            f"{ORIGINS}::test_no_redirect_is_followed_to_another_server",
            f"{ORIGINS}::test_the_secret_of_a_client_follows_no_redirect",
            f"{HTTP}::test_no_redirect_is_followed",
        ),
        (
            *("H", "discovery follows one to the same host over https alone"),
            "unit/test_fetch_metadata.py::test_a_redirect_is_followed_within_the_host_over_https",
            "unit/test_fetch_metadata.py::test_any_other_redirect_is_refused",
            f"{REPORT}::test_discovery_is_redirected_only_within_the_host_over_https",
        ),
        (
            *("H", "an Authorization header goes to the endpoints of the document"),
            f"{ORIGINS}::test_an_authorization_header_goes_to_the_endpoints_of_the_document_alone",
        ),
        (
            *("H", "and of a document that has been verified"),
            f"{ORIGINS}::test_nothing_is_sent_to_the_endpoints_of_a_document_that_is_not_the_servers_own",
        ),
        (
            *("H", "on invalid_grant the store is read once more before anybody is asked"),
            f"{LIFE}::test_after_invalid_grant_the_store_is_read_again_once",
        ),
    ),
    *_under(
        "Callback",
        (
            *("H", "what counts is a GET of exactly the registered path"),
            f"{LISTENER}::test_another_request_is_answered_and_not_delivered",
        ),
        (
            *("H", "favicon, HEAD, OPTIONS and the like are answered, and the waiting goes on"),
            f"{BROWSER}::test_what_is_not_the_callback_is_answered_and_the_waiting_goes_on",
            f"{LISTENER}::test_a_wrong_method_is_told_the_right_one",
        ),
        (
            *("H", "whoever connects and says nothing, or too slowly, is dropped"),
            f"{LISTENER}::test_a_silent_neighbour_does_not_stop_the_waiting",
            f"{LISTENER}::test_a_silent_neighbour_is_dropped_after_a_while",
            f"{LISTENER}::test_a_crowd_of_silent_neighbours_does_not_keep_the_real_one_out",
            f"{NEIGHBOURS}::test_a_crowd_of_whom_most_say_nothing_and_some_never_read",
        ),
        (
            *("H", "a request too large is dropped"),
            f"{LISTENER}::test_a_megabyte_of_header_is_not_read",
            f"{NEIGHBOURS}::test_a_megabyte_of_header",
        ),
        (
            *("H", "a foreign Host header is turned away"),
            f"{BROWSER}::test_foreign_host_header_is_turned_away",
            f"{LISTENER}::test_a_foreign_host_is_misdirected",
        ),
        (
            *("H", "a wrong or missing state never ends the sign-in"),
            f"{NEIGHBOURS}::test_a_thousand_wrong_states",
            f"{BACK}::test_anything_else_does_not_end_the_waiting",
        ),
        (
            *("H", "not on an error answer either"),
            f"{BROWSER}::test_what_is_not_the_callback_is_answered_and_the_waiting_goes_on",
            f"{NEIGHBOURS}::test_a_thousand_wrong_states",
        ),
        (
            *("H", "there is one result: a second delivery redeems nothing"),
            f"{BROWSER}::test_second_delivery_of_the_code_is_not_redeemed",
            f"{NEIGHBOURS}::test_a_second_code_comes_too_late",
        ),
        ("H", "pages are not stored (Cache-Control)", f"{BROWSER}::test_page_keeps_the_code_to_itself"),
        (
            *("H", "their Content-Security-Policy is strict"),
            f"{LISTENER}::test_the_policy_allows_what_the_page_has_and_nothing_else",
            f"{LISTENER}::test_the_policy_forbids_everything_else",
            f"{BROWSER}::test_page_keeps_the_code_to_itself",
        ),
        (
            *("H", "they hand no address on (Referrer-Policy)"),
            f"{LISTENER}::test_no_answer_hands_an_address_on_and_each_is_what_it_says_it_is",
            f"{BROWSER}::test_page_keeps_the_code_to_itself",
        ),
        (
            *("H", "they show no text of the server's unescaped"),
            f"{LISTENER}::test_title_text_and_server_are_escaped",
            f"{BROWSER}::test_error_text_of_the_server_is_not_shown_unescaped",
            "flows/test_hostile_text.py::test_no_error_on_the_callback_reaches_the_terminal_or_the_page_as_it_is",
        ),
        (
            *("H", "they take the code out of the address bar"),
            f"{LISTENER}::test_every_page_takes_the_code_out_of_the_address_bar",
        ),
        (
            *("H", "the person gets in within a second, and Ctrl-C works, whoever else has come"),
            f"{NEIGHBOURS}::test_a_flood_that_goes_on",
            "cli/test_at_a_terminal.py::test_ctrl_c_ends_the_wait_for_the_browser_whoever_else_has_come",
        ),
    ),
    *_under(
        "Issuer (RFC 9207, RFC 8414)",
        (
            *("M", "an iss on the callback that is not the issuer redeems nothing"),
            f"{BROWSER}::test_issuer_on_the_callback_decides_whether_the_code_is_redeemed",
            f"{BACK}::test_an_answer_from_anybody_else_is_not",
        ),
        (
            *("M", "nor does one that is absent although it is advertised"),
            f"{BROWSER}::test_issuer_on_the_callback_decides_whether_the_code_is_redeemed",
            f"{DISCOVERY}::test_iss_is_expected_only_when_it_is_promised",
        ),
        (
            *("M", "the issuer of the discovery document is the one that was asked for"),
            f"{REPORT}::test_bad_discovery_is_one_line_and_a_hint",
            f"{ORIGINS}::test_nothing_is_sent_to_the_endpoints_of_a_document_that_is_not_the_servers_own",
        ),
        (
            *("M", "a slash, localhost or http as the difference is named in the hint"),
            f"{DISCOVERY}::test_a_slip_is_named_in_the_hint",
        ),
    ),
    *_under(
        "ID token (OpenID Connect Core)",
        ("M", "iss is the issuer", f"{ID_TOKEN}::test_one_wrong_claim_is_enough"),
        ("M", "aud has this client", f"{ID_TOKEN}::test_one_wrong_claim_is_enough"),
        ("M", "azp is this client when there is one", f"{ID_TOKEN}::test_one_wrong_claim_is_enough"),
        (
            *("M", "exp has not passed, with 120 s of leeway"),
            f"{ID_TOKEN}::test_one_wrong_claim_is_enough",
            f"{ID_TOKEN}::test_the_leeway_is_two_minutes",
        ),
        (
            *("M", "iat is there and not in the future, nor is nbf when there is one"),
            f"{ID_TOKEN}::test_one_wrong_claim_is_enough",
            f"{FORGED}::test_one_wrong_claim_ends_a_sign_in_and_nothing_is_kept",
        ),
        (
            *("M", "nonce is that of the request"),
            f"{ID_TOKEN}::test_one_wrong_claim_is_enough",
            f"{BROWSER}::test_id_token_that_is_wrong_is_refused_and_nothing_kept",
        ),
        (
            *("M", "at_hash fits the access token when there is one"),
            f"{ID_TOKEN}::test_a_wrong_at_hash_is_refused",
            f"{ID_TOKEN}::test_a_wrong_at_hash_is_refused_whatever_the_algorithm",
            f"{BROWSER}::test_id_token_that_is_wrong_is_refused_and_nothing_kept",
        ),
        (
            *("M", "UserInfo is about the same sub: else exit 1, and a new token is not kept"),
            f"{REPORT}::test_somebody_elses_userinfo_is_refused_and_the_new_token_not_kept",
        ),
        (
            *("H", "RS, PS and ES signatures with 256, 384 and 512 are checked by the published keys"),
            f"{FORGED}::test_a_forged_id_token_is_refused_and_nothing_kept",
            f"{FORGED}::test_a_signature_by_another_key_of_the_same_name_is_refused",
            f"{FORGED}::test_the_keys_are_fetched_once_more_for_an_unknown_key_and_not_for_ever",
            f"{FORGED}::test_an_id_token_of_every_algorithm_is_accepted",
            f"{KEYS}::test_the_examples_of_rfc_7515",
            "unit/oauth/test_signatures.py::test_the_vectors_of_wycheproof_are_judged_as_it_says",
        ),
        (
            *("H", "HS256 counts only straight from the token endpoint"),
            f"{BROWSER}::test_id_tokens_are_checked_whatever_signs_them",
            "flows/test_inspect.py::test_what_cannot_be_proven_is_exit_1_with_the_reason",
        ),
        (
            *("H", "none, another case, white space and any unknown name are refused"),
            f"{FORGED}::test_a_forged_id_token_is_refused_and_nothing_kept",
            f"{FORGED}::test_any_other_algorithm_is_refused",
            f"{ID_TOKEN}::test_any_other_algorithm_is_refused",
            "flows/test_inspect.py::test_unsigned_token_proves_nothing",
        ),
        (
            *("M", "after a refresh it has the same iss, sub and aud"),
            f"{LIFE}::test_a_new_id_token_about_somebody_else_is_refused_and_the_token_kept",
            f"{FORGED}::test_a_refresh_does_not_survive_an_id_token_about_somebody_else",
        ),
        (
            *("M", "any other fault of it after a refresh drops it and keeps the tokens"),
            f"{FORGED}::test_a_refresh_survives_an_id_token_that_is_not_right",
            f"{FORGED}::test_a_refresh_survives_any_other_fault_of_the_claims",
        ),
    ),
    *_under(
        "Revocation (RFC 7009)",
        ("M", "it is a form POST", f"{LOGOUT}::test_refresh_token_is_revoked_first_then_the_access_token"),
        (
            *("M", "the refresh token goes first, then the access token"),
            f"{LOGOUT}::test_refresh_token_is_revoked_first_then_the_access_token",
        ),
        ("M", "200 means gone", f"{LOGOUT}::test_json_says_what_was_done"),
        (
            *("M", "503 means that it may still live"),
            f"{LOGOUT}::test_tokens_that_cannot_be_revoked_are_forgotten_all_the_same",
        ),
    ),
    *_under(
        "Token binding",
        (
            *("H", "an entry is used when its recorded issuer is the configured one"),
            f"{BINDING}::test_a_token_of_this_issuer_is_used",
        ),
        (
            *("H", "or when the iss of its access token is"),
            f"{BINDING}::test_a_token_of_this_issuer_is_used",
            f"{LIFE}::test_a_token_is_never_sent_to_another_server",
        ),
        ("H", "a slash at the end aside", f"{LIFE}::test_a_slash_at_the_end_makes_no_stranger"),
        (
            *("H", "any other is left alone, with a warning, as if absent"),
            f"{LIFE}::test_a_token_is_never_sent_to_another_server",
            f"{BINDING}::test_a_token_of_another_issuer_is_left_alone",
        ),
        (
            *("H", "an opaque token that names no issuer is used with a warning, at a server that the user has named"),
            f"{LIFE}::test_a_token_that_names_no_issuer_is_used_with_a_warning",
            "flows/test_trust.py::test_a_stored_token_that_names_no_issuer_is_left_alone",
            "flows/test_trust.py::test_it_is_used_when_the_person_names_the_server",
        ),
    ),
    *_under(
        "HTTP",
        (
            *("H", "a 429 says that a code was not spent: it is tried again for up to 90 s, and after nothing else"),
            f"{BROWSER}::test_a_code_is_tried_again_after_a_rate_limit",
            f"{BROWSER}::test_a_rate_limit_that_lasts_is_exit_3",
            f"{BROWSER}::test_any_other_failure_may_have_spent_the_code",
        ),
        (
            *("H", "what a server sends for the authorization address is percent-encoded before a shell may read it"),
            f"{ASKED}::test_nothing_of_the_servers_is_left_that_a_shell_would_run",
            "unit/system/test_browser.py::test_no_shell_runs_what_a_server_sends",
            "unit/system/test_browser.py::test_no_shell_in_browser_runs_what_a_server_sends",
        ),
        (
            *("H", "one deadline covers an exchange, a trickling body included"),
            f"{HTTP}::test_one_deadline_covers_the_whole_exchange",
            f"{REPORT}::test_a_slow_server_is_given_up",
        ),
        (
            *("H", "1 MiB of body is read at most"),
            f"{HTTP}::test_a_larger_body_is_refused_however_it_is_framed",
            f"{HTTP}::test_a_body_of_one_mebibyte_is_read",
        ),
        (
            *("H", "a GET is tried three times over what may pass"),
            f"{HTTP}::test_a_get_is_tried_three_times_over_what_may_pass",
            f"{HTTP}::test_the_third_answer_is_the_answer",
        ),
        (
            *("H", "with the pause of a Retry-After that fits the deadline"),
            f"{HTTP}::test_the_server_may_say_how_long_to_wait",
            f"{HTTP}::test_a_wait_that_does_not_fit_the_deadline_is_not_begun",
        ),
        (
            *("H", "a POST is tried again only when nothing of it can have arrived"),
            f"{HTTP}::test_a_form_that_was_answered_is_never_sent_again",
            f"{HTTP}::test_a_form_that_may_have_arrived_is_never_sent_again",
            f"{HTTP}::test_a_form_that_cannot_have_arrived_is_sent_again",
        ),
        (
            *("H", "TLS is 1.2 or newer"),
            f"{HTTP}::test_tls_1_1_is_too_old",
            f"{TLS}::test_a_bad_certificate_is_exit_3_with_its_cause",
        ),
        (
            *("H", "certificates are always verified"),
            f"{HTTP}::test_a_certificate_that_is_not_good_is_refused_at_once",
            f"{TLS}::test_a_bad_certificate_is_exit_3_with_its_cause",
            f"{TLS}::test_a_ca_file_that_helps_nothing_is_exit_3_with_its_cause",
            f"{TLS}::test_a_private_authority_is_trusted_from_sign_in_to_sign_out",
        ),
        (
            *("H", "no switch turns that off"),
            "unit/test_architecture.py::test_nothing_turns_the_verification_of_certificates_off",
            "unit/test_settings.py::test_no_switch_makes_a_bad_certificate_good",
        ),
        (
            *("H", "proxies of the environment are used"),
            f"{PROXY}::test_everything_goes_through_the_proxy",
            f"{PROXY}::test_a_proxy_that_wants_a_password_is_named_and_the_token_kept",
        ),
        (
            *("H", "never for loopback"),
            f"{HTTP}::test_loopback_is_never_proxied",
            f"{PROXY}::test_loopback_never_sees_the_proxy",
        ),
        (
            *("H", "plain http goes only to an address that is loopback when connected"),
            f"{HTTP}::test_plain_http_is_not_sent_past_loopback_whatever_the_look_up_says",
        ),
        ("H", "JSON is asked for (Accept)", f"{HTTP}::test_a_request_names_its_host_and_its_sender"),
        ("H", "name and version are told (User-Agent)", f"{HTTP}::test_a_request_names_its_host_and_its_sender"),
        (
            *("H", "no secret is in an error, a log line, a traceback, an argument or a browser's environment"),
            f"{HTTP}::test_a_log_line_says_what_was_done_and_shows_no_secret",
            f"{REPORT}::test_server_that_repeats_our_secrets_does_not_get_them_shown",
            f"{REPORT}::test_server_that_repeats_a_device_code_with_status_200_does_not_get_it_shown",
            f"{SECRETS}::test_no_secret_is_in_a_traceback",
            f"{SECRETS}::test_no_secret_is_in_the_arguments_or_the_browsers_environment",
        ),
    ),
    *_under(
        "Files",
        (
            *("H", "a token file and its temporary file are created 0600 in one step"),
            f"{FILES}::test_a_file_is_private_from_its_first_moment_whatever_the_umask",
        ),
        (
            *("H", "they are written, synced, then renamed"),
            f"{FILES}::test_what_is_written_is_on_disk_before_it_takes_the_old_ones_place",
            f"{FILES}::test_a_write_that_fails_half_way_leaves_the_old_file_and_no_litter",
        ),
        (
            *("H", "a symlink is refused"),
            f"{FILES}::test_what_is_not_a_file_of_our_own_is_refused_and_left_alone",
        ),
        (
            *("H", "so is a file of another owner"),
            f"{FILES}::test_what_is_not_a_file_of_our_own_is_refused_and_left_alone",
        ),
        (
            *("H", "a looser mode is tightened with a warning that is true"),
            f"{FILES}::test_a_mode_too_loose_is_tightened_with_a_warning",
            f"{FILES}::test_where_chmod_has_no_effect_nothing_else_is_claimed",
            "cli/test_disk.py::test_where_chmod_has_no_effect_that_is_said_once_in_a_run",
        ),
        (
            *("H", "so is a hard link"),
            f"{FILES}::test_what_is_not_a_file_of_our_own_is_refused_and_left_alone",
            "cli/test_disk.py::test_a_strange_file_is_left_alone",
        ),
        (
            *("H", "so is a directory that others may write without the sticky bit"),
            f"{FILES}::test_what_is_not_a_file_of_our_own_is_refused_and_left_alone",
            f"{FILES}::test_a_sticky_directory_may_be_written_by_everybody",
            "cli/test_disk.py::test_a_strange_file_is_left_alone",
        ),
        (
            *("H", "what does not look like a token file is left alone, and no lock is put beside it"),
            "unit/store/test_file_store.py::"
            "test_what_does_not_look_like_a_token_file_is_left_alone_and_no_lock_is_put_beside_it",
            "cli/test_disk.py::test_a_strange_file_is_left_alone",
        ),
        (
            *("H", "what is put there between the look and the opening is refused all the same"),
            f"{FILES}::test_what_is_put_there_between_the_look_and_the_opening_is_refused_all_the_same",
            f"{FILES}::test_names_that_others_have_put_there_are_not_followed",
        ),
        (
            *("H", "a lock file of somebody else is refused or not relied on"),
            "unit/store/test_locks.py::test_what_is_not_our_own_in_place_of_the_refresh_lock_is_not_relied_on",
            "unit/store/test_locks.py::test_somebody_elses_lock_that_cannot_be_removed_is_an_error_with_a_remedy",
            "cli/test_one_refresh.py::test_a_lock_that_cannot_be_relied_on_is_an_error_before_anything_is_spent",
        ),
        (
            *("H", "before the rename the lock is checked to be still ours"),
            "unit/store/test_locks.py::test_what_others_save_while_a_process_is_suspended_for_long_is_kept",
        ),
        (
            *("H", "tokens that were left over are named by logout and removed by logout --all"),
            f"{LOGOUT}::test_files_left_over_are_named_and_stay",
            f"{LOGOUT}::test_all_removes_the_files_left_over_and_nothing_else",
        ),
        (
            *("H", "a corrupt file is never overwritten"),
            "unit/store/test_file_store.py::test_a_corrupt_file_is_never_overwritten",
            "cli/test_disk.py::test_a_corrupt_file_is_named_by_whoever_reads_it_and_left_alone",
        ),
    ),
    *_under(
        "Signals and core files",
        (
            *("H", "signals that can end the process wait while a code or a refresh token is out"),
            "unit/system/test_signals.py::test_signals_wait_and_the_first_is_delivered_afterwards",
            "cli/test_interrupted.py::test_while_the_answer_is_under_way_a_signal_waits_until_the_tokens_are_on_disk",
        ),
        (
            *("H", "no core file holds a token"),
            "unit/system/test_signals.py::test_core_files_are_limited_to_nothing_and_to_what_was_before",
            "cli/test_interrupted.py::test_a_crash_leaves_no_core_file_in_which_a_token_could_be_found",
        ),
    ),
]
