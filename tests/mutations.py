"""Mistakes that somebody could make, each with the test that finds it.

`python tests/mutations.py` plants them one at a time in a copy of the repository and runs the named test there: it must
be green before and red after. A word or two on the command line picks those whose name has them.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Mutation:
    name: str
    file: str
    old: str
    new: str
    killed_by: str


MUTATIONS = (
    Mutation(
        "the delay is dropped on the way there",
        "labkit/network/memory.py",
        "clock.spawn(_serve, app, environ, pipe, meter, after=on_the_way)",
        "clock.spawn(_serve, app, environ, pipe, meter)",
        "tests/test_memory_network.py::test_the_delay_is_each_way",
    ),
    Mutation(
        "the delay is dropped on the way back",
        "labkit/network/memory.py",
        "pipe = Pipe(network.clock, network.delay, meter.leg)",
        "pipe = Pipe(network.clock, 0.0, meter.leg)",
        "tests/test_virtual_lens.py::test_a_page_with_more_behind_it_is_followed_at_once",
    ),
    Mutation(
        "P = T in the lens",
        "labkit/approaches/polling.py",
        'if self.fixed == "delay":',
        'if self.fixed == "never":',
        "tests/test_virtual_lens.py::"
        "test_a_fixed_rate_counts_the_interval_from_send_to_send_and_a_fixed_delay_from_answer_to_send",
    ),
    Mutation(
        "P = T in theory",
        "labkit/theory/polling.py",
        'return 2 * delay if fixed == "delay" else 0.0',
        "return 0.0",
        "tests/test_virtual_lens.py::test_the_number_of_polls_is_theorys_exactly",
    ),
    Mutation(
        "an event is visible only strictly after its instant",
        "labkit/lenses/virtual.py",
        "network.conditions.commit_lag, urgent=True)",
        "network.conditions.commit_lag)",
        "tests/test_virtual_lens.py::test_an_event_of_the_very_instant_of_a_polls_arrival_is_found",
    ),
    Mutation(
        "the horizon is closed in the ledger",
        "labkit/ledger.py",
        "sent_at >= duration",
        "sent_at > duration",
        "tests/test_virtual_lens.py::test_the_horizon_is_half_open",
    ),
    Mutation(
        "the horizon is closed for what is missing",
        "labkit/result.py",
        "receipts.received_at < self.scenario.duration",
        "receipts.received_at <= self.scenario.duration",
        "tests/test_result.py::test_missing_is_what_has_not_arrived_by_the_horizon_and_lost_what_never_does",
    ),
    Mutation(
        "a run is closed at its end",
        "labkit/clock/virtual.py",
        "self._queue[0][0] < end",
        "self._queue[0][0] <= end",
        "tests/test_virtual_clock.py::test_run_until_is_half_open",
    ),
    Mutation(
        "ties are last come, first served",
        "labkit/clock/virtual.py",
        "(due, task.rank, serial, task, task.ticket)",
        "(due, task.rank, -serial, task, task.ticket)",
        "tests/test_virtual_clock.py::test_ties_are_first_come_first_served",
    ),
    Mutation(
        "the standard error is doubled",
        "labkit/theory/polling.py",
        "return self.period / math.sqrt(12 * events)",
        "return 2 * self.period / math.sqrt(12 * events)",
        "tests/test_virtual_lens.py::test_the_standard_error_is_neither_too_small_nor_too_large",
    ),
    Mutation(
        "the empty share is over events",
        "labkit/totals.py",
        "self.empty_requests / self.requests if",
        "self.empty_requests / self.events if",
        "tests/test_result.py::test_the_empty_share_is_over_requests",
    ),
    Mutation(
        "a page is not followed",
        "labkit/approaches/page.py",
        'cursor, more = page["next"], page["has_more"]',
        'cursor, more = page["next"], False',
        "tests/test_virtual_lens.py::test_a_page_with_more_behind_it_is_followed_at_once",
    ),
    Mutation(
        "the last event of a full page is skipped",
        "labkit/source/store.py",
        "page[-1][0] if page else after",
        "page[-1][0] + (len(rows) > limit) if page else after",
        "tests/test_virtual_lens.py::test_delays_and_pages_equal_the_twin",
    ),
    Mutation(
        "the drain is counted",
        "labkit/result.py",
        " & ~self.exchanges.drain]",
        "]",
        "tests/test_result.py::test_only_the_runs_own_exchanges_are_counted",
    ),
    Mutation(
        "set-up is counted",
        "labkit/result.py",
        '(self.exchanges.kind != "setup") & ',
        "",
        "tests/test_result.py::test_only_the_runs_own_exchanges_are_counted",
    ),
    Mutation(
        "duplicates are counted after deduplication",
        "labkit/ledger.py",
        "receipts[row].copies += 1",
        "pass",
        "tests/test_result.py::test_a_failed_request_is_counted_and_so_is_every_duplicate",
    ),
    Mutation(
        "a request's bytes are without its headers",
        "labkit/network/http1.py",
        'sum(len(name) + len(value) + len(": \\r\\n") for name, value in raw)',
        "0",
        "tests/test_memory_network.py::test_bytes_are_those_that_h11_writes",
    ),
    Mutation(
        "an answer's bytes are without chunk framing",
        "labkit/network/memory.py",
        'len(f"{len(chunk):x}") + 4 if chunked else 0',
        "0",
        "tests/test_memory_network.py::test_bytes_are_those_that_h11_writes",
    ),
    Mutation(
        "a 304 is a hit",
        "labkit/ledger.py",
        "[new_events > 0, status == 429,",
        "[(new_events > 0) | (status == 304), status == 429,",
        "tests/test_ledger.py::test_each_exchange_has_one_outcome",
    ),
    Mutation(
        "staleness is the age of the newest event",
        "labkit/totals.py",
        "since, until = missing[0]",
        "since, until = max(missing)",
        "tests/test_result.py::test_staleness_is_the_age_of_the_oldest_missing_event",
    ),
    Mutation(
        "a failed poll is left out",
        "labkit/result.py",
        " & ~self.exchanges.drain]",
        ' & ~self.exchanges.drain & (self.exchanges.outcome != "error")]',
        "tests/test_result.py::test_a_failed_request_is_counted_and_so_is_every_duplicate",
    ),
    Mutation(
        "receipts are in the order of receipt",
        "labkit/ledger.py",
        "rows = [receipts.get(row, never) for row in range(len(self.event_id))]",
        "rows = [*receipts.values(), *[never] * (len(self.event_id) - len(receipts))]",
        "tests/test_ledger.py::test_receipts_are_in_the_order_of_the_events_not_of_their_arrival",
    ),
    Mutation(
        "latency counts from the send",
        "labkit/ledger.py",
        '"latency": received_at - occurred_at,',
        '"latency": received_at - np.array([self.sent_at[receipt.exchange] for receipt in rows]),',
        "tests/test_result.py::test_missing_is_what_has_not_arrived_by_the_horizon_and_lost_what_never_does",
    ),
    Mutation(
        "a bare LF is an empty line",
        "labkit/server/reader.py",
        r'if not line.endswith(b"\r\n"):',
        r'if not line.endswith(b"\r\n") and line != b"\n":',
        "tests/test_request.py::test_a_bad_request_is_answered_with_its_status_and_never_reaches_the_app",
    ),
    Mutation(
        "a repeated request has the headers that the client had before",
        "labkit/network/exchange.py",
        "headers.raw, self.headers.raw, self.base_url",
        "headers.raw, self.base_url",
        "tests/test_memory_network.py::test_a_request_that_repeats_the_last_one_is_a_copy_and_any_other_is_what_httpx_builds",
    ),
    Mutation(
        "a repeated request has the credentials of the one before",
        "labkit/network/exchange.py",
        "headers=httpx.Headers(built.headers), ",
        "",
        "tests/test_memory_network.py::test_what_is_changed_in_a_request_is_not_in_the_next_one_that_repeats_it",
    ),
    Mutation(
        "every request is the first of its connection",
        "labkit/server/connection.py",
        "self._requests += 1",
        "self._requests = 1",
        "tests/test_connection.py::test_the_app_sees_the_number_of_each_request_on_its_connection",
    ),
    Mutation(
        "a notification on the way to the loop is missed",
        "labkit/server/stream_loop.py",
        "            if body.ready:\n                return False\n",
        "",
        "tests/test_stream_loop.py::test_a_notification_while_an_answer_is_on_its_way_to_the_loop_is_not_missed",
    ),
    Mutation(
        "the rest of a chunk is sent again",
        "labkit/server/connection.py",
        'rest, self._unsent = self._unsent, b""',
        "rest = self._unsent",
        "tests/test_stream_loop.py::test_a_client_that_does_not_take_its_answer_at_once_holds_up_no_other",
    ),
    Mutation(
        "a stream that always has something keeps the loop",
        "labkit/server/stream_loop.py",
        "                with self._news:\n                    return self._append(client, steps, body)\n",
        "                if body.ready:\n                    continue\n                with self._news:\n"
        "                    return self._append(client, steps, body)\n",
        "tests/test_stream_loop.py::test_each_answer_has_its_turn_though_another_always_has_something_to_send",
    ),
    Mutation(
        "one slow client holds up all streams",
        "labkit/server/connection.py",
        "yield from self._pause(None)\n                self._send_rest()",
        "self._send_rest()",
        "tests/test_stream_loop.py::test_a_client_that_does_not_take_its_answer_at_once_holds_up_no_other",
    ),
    Mutation(
        "a forked child holds its parent's port",
        "labkit/server/server.py",
        "server.close_after_fork()",
        "pass",
        "tests/test_server.py::test_a_forked_child_does_not_hold_its_parents_port",
    ),
    Mutation(
        "a malformed signature beside a good one is accepted",
        "labkit/signature/steps.py",
        ' or b"" in given',
        "",
        "tests/test_scheme_peers.py::test_ours_refuses_each_malformed_message_with_its_one_error_whatever_the_library_does",
    ),
    Mutation(
        "a signed time is not looked at",
        "labkit/signature/stripe.py",
        "        steps.check_age(_SIGNATURE, times[0], now, tolerance)\n",
        "",
        "tests/test_schemes.py::test_what_a_scheme_declares_unsigned_can_be_changed_and_nothing_else_can",
    ),
    Mutation(
        "a receiver takes what its scheme does not sign without a word",
        "labkit/receiver/core.py",
        "if set(self.unsigned) != set(self.scheme.unsigned):",
        "if False:",
        "tests/test_schemes.py::test_a_receiver_does_not_promise_what_its_scheme_does_not_sign",
    ),
    Mutation(
        "an earlier secret never expires",
        "labkit/signature/keyring.py",
        " if now < expires_at)",
        ")",
        "tests/test_rotation.py::test_the_old_secret_signs_until_the_grace_period_ends_and_not_longer",
    ),
    Mutation(
        "a rotation ends the old secret at once",
        "labkit/source/deliver.py",
        "to.keyring.valid(at)",
        "[to.secret]",
        "tests/test_rotation.py::test_during_the_grace_period_either_secret_verifies_and_nothing_is_refused",
    ),
    Mutation(
        "a connection goes to an address that nobody checked",
        "labkit/network/sockets.py",
        "self._network.egress.resolve(host, port, within)",
        "str(socket.getaddrinfo(host, port, socket.AF_INET, socket.SOCK_STREAM)[0][4][0])",
        "tests/test_egress.py::test_a_name_that_changes_its_address_is_refused_at_the_next_connection",
    ),
    Mutation(
        "a public name may stand for this machine",
        "labkit/network/egress.py",
        'if host == "localhost" or _is_address(host) else',
        "if host else",
        "tests/test_egress.py::test_once_public_addresses_are_opened_loopback_must_be_written_as_such",
    ),
    Mutation(
        "other machines reach this one's loopback",
        "labkit/cli/serve.py",
        "loopback=not others",
        "loopback=True",
        "tests/test_egress.py::test_a_source_that_other_machines_may_call_reaches_no_loopback_address_unless_it_is_allowed",
    ),
    Mutation(
        "a strategy's process has the grader's whole environment",
        "labkit/process.py",
        "for name, value in os.environ.items() if PLAIN.fullmatch(name)",
        "for name, value in os.environ.items()",
        "tests/test_contest.py::test_a_strategy_s_process_is_given_no_secret_of_the_grader",
    ),
    Mutation(
        "a cursor may be anything",
        "labkit/approaches/page.py",
        "            if CURSOR.fullmatch(cursor):",
        "            if True:",
        "tests/test_any_input.py::test_a_cursor_that_no_url_can_hold_is_an_error_on_record",
    ),
    Mutation(
        "what was fetched is not checked",
        "labkit/receiver/core.py",
        "if event is not message:",
        "if False:",
        "tests/test_receiver.py::test_what_was_fetched_is_checked_like_what_was_sent_and_junk_is_503",
    ),
    Mutation(
        "a secret that was given is printed",
        "labkit/cli/serve.py",
        "    if not given:\n        first_line",
        "    if keys:\n        first_line",
        "tests/test_serve_receiver.py::test_stripes_calls_are_taken_with_either_secret_and_a_log_is_continued",
    ),
    Mutation(
        "a copy of an event has a second effect",
        "labkit/receiver/inbox.py",
        "INSERT OR IGNORE INTO effects",
        "INSERT OR REPLACE INTO effects",
        "tests/test_receiver.py::test_40_ids_delivered_8_times_at_once_have_40_effects",
    ),
    Mutation(
        "a copy of an event does not arrive",
        "labkit/receiver/core.py",
        "            self.on_arrival(event)\n",
        "",
        "tests/test_receiver.py::test_a_repeat_is_acknowledged_and_has_no_second_effect",
    ),
    Mutation(
        "one refused event refuses its batch",
        "labkit/receiver/core.py",
        "if refusals and len(refusals) == len(contents) else",
        "if refusals else",
        "tests/test_receiver.py::test_an_event_of_a_batch_that_is_refused_is_kept_aside_and_the_others_take_effect",
    ),
    Mutation(
        "a client reads no date in Retry-After",
        "labkit/approaches/consumer.py",
        "retry_after(answer.headers[name], self.clock.epoch + now, LONGEST)",
        "(min(float(answer.headers[name]), LONGEST) if answer.headers[name].isdecimal() else 0.0)",
        "tests/test_limits.py::test_a_client_comes_again_at_the_date_that_retry_after_names_and_not_before",
    ),
    Mutation(
        "an action is not repeated",
        "labkit/approaches/on_demand.py",
        "for _ in range(3):",
        "for _ in range(1):",
        "tests/test_on_demand.py::test_an_action_without_a_good_answer_is_repeated_up_to_three_times",
    ),
    Mutation(
        "an action that fails ends the run",
        "labkit/approaches/on_demand.py",
        "        except httpx.HTTPError:\n            continue\n",
        "        except httpx.HTTPError:\n            raise\n",
        "tests/test_on_demand.py::test_an_action_that_fails_three_times_does_not_end_a_run",
    ),
    Mutation(
        "a transaction takes the write lock late",
        "labkit/sqlite.py",
        'self._db.execute("BEGIN IMMEDIATE")\n                return',
        'self._db.execute("BEGIN")\n                return',
        "tests/test_sqlite.py::test_a_transaction_holds_the_write_lock_from_its_start",
    ),
    Mutation(
        "a fault's window is closed",
        "labkit/faults/fault.py",
        "return self.start <= at < self.end",
        "return self.start <= at <= self.end",
        "tests/test_faults.py::test_in_an_outage_calls_are_refused_at_once_and_retried_by_the_schedule",
    ),
    Mutation(
        "an outage cuts nothing",
        "labkit/network/exchange.py",
        "                exchange.meter.cut()",
        "                pass",
        "tests/test_faults.py::test_an_open_answer_is_cut_when_the_outage_begins_and_asked_for_again_after_it",
    ),
    Mutation(
        "what is cut on its way arrives",
        "labkit/network/memory.py",
        "    if meter.is_cut:  # before the request arrived",
        "    if False:  # before the request arrived",
        "tests/test_faults.py::test_a_delivery_that_is_on_its_way_when_the_receiver_goes_down_never_arrives",
    ),
    Mutation(
        "chance goes by the number of the exchange",
        "labkit/network/conditions.py",
        "about = exchange.event or exchange.place",
        "about = exchange.meter.exchange",
        "tests/test_faults.py::test_chance_is_keyed_by_what_the_exchange_is_about_and_not_by_its_order",
    ),
    Mutation(
        "the first fault is the innermost",
        "labkit/network/conditions.py",
        "for number in reversed(range(len(self.faults))):",
        "for number in range(len(self.faults)):",
        "tests/test_faults.py::test_the_first_fault_is_the_outermost",
    ),
    Mutation(
        "a lost answer is counted in bytes",
        "labkit/network/sent.py",
        "        self.meter.bytes_in = 0\n",
        "",
        "tests/test_faults.py::test_a_reset_connection_is_noticed_where_the_answer_would_have_come",
    ),
    Mutation(
        "a host behind NAT can be called",
        "labkit/faults/unreachable.py",
        "called = exchange.host == exchange.parties[1] != SOURCE",
        "called = exchange.host == exchange.parties[1] == SOURCE",
        "tests/test_faults.py::test_behind_nat_a_webhook_cannot_be_set_up_and_polling_and_a_relay_work",
    ),
    Mutation(
        "a run that is cut off calls what is pending lost",
        "labkit/lenses/lifecycle.py",
        "    if not settled():\n",
        "    if False:\n",
        "tests/test_faults.py::test_an_outage_without_an_end_is_cut_off_and_nothing_is_called_lost",
    ),
    Mutation(
        "speed leaves the source's timeout as it is",
        "labkit/policies.py",
        'timeout: float = field(default=30.0, metadata={"unit": "s"})',
        "timeout: float = 30.0",
        "tests/test_faults.py::test_speed_divides_a_faults_window_and_the_sources_timeouts",
    ),
    Mutation(
        "receipts are joined by the port alone",
        "labkit/ledger.py",
        "key = ports[other.connection[exchange]], other.request[exchange]",
        "key = ports[other.connection[exchange]], 1",
        "tests/test_real_lens.py::test_another_process_s_exchanges_are_taken_in_by_hand_made_rows",
    ),
    Mutation(
        "a worker sends frames back that nobody asked for",
        "labkit/experiment.py",
        "result.frames if frames else None",
        "result.frames",
        "tests/test_experiment.py::test_rows_alone_come_back_in_under_20_kb_and_a_run_of_a_week_too",
    ),
    Mutation(
        "a failing run takes the others with it",
        "labkit/experiment.py",
        "            if failure := there.exception():\n",
        "            if failure := there.result() and None:\n",
        "tests/test_experiment.py::test_a_run_that_fails_is_named_with_its_scenario_and_the_others_are_there",
    ),
    Mutation(
        "a row is computed each time that it is shown",
        "labkit/result.py",
        "    @cached_property\n    def _row(",
        "    @property\n    def _row(",
        "tests/test_cli.py::test_each_row_is_computed_once",
    ),
    Mutation(
        "an outage cuts what it would not hit",
        "labkit/network/exchange.py",
        "            if self.conditions.hits(fault, exchange):\n",
        "            if True:\n",
        "tests/test_faults.py::test_an_outage_cuts_only_the_open_answers_that_it_hits",
    ),
    Mutation(
        "repeats have one seed",
        "labkit/scenario.py",
        "seed=self.seed + repeat",
        "seed=self.seed",
        "tests/test_experiment.py::test_repeats_draw_other_arrivals_and_other_chance_and_leave_what_was_recorded",
    ),
    Mutation(
        "a bool is a whole number",
        "labkit/checks.py",
        "isinstance(value, Integral) and not isinstance(value, bool)",
        "isinstance(value, Integral)",
        "tests/test_checks.py::test_these_are_no_numbers",
    ),
    Mutation(
        "a type may be dots alone",
        "labkit/event.py",
        r"[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*",
        "[A-Za-z0-9_.]+",
        "tests/test_arrivals.py::test_a_type_that_the_api_refuses_is_replaced_and_stays_in_data",
    ),
    Mutation(
        "a run may end after the year 9000 by its epoch",
        "labkit/arrivals.py",
        "end = max(self.epoch, EARLIEST) + self.duration",
        "end = EARLIEST + self.duration",
        "tests/test_arrivals.py::test_a_run_that_ends_after_the_year_9000_begins_is_refused",
    ),
    Mutation(
        "theory leaves the pause of a long poll out",
        "labkit/theory/long_polling.py",
        "return 2 * self.delay + self.pause",
        "return 2 * self.delay",
        "tests/test_theory_lens.py::test_the_closed_form_is_the_mean_of_many_such_sample_paths",
    ),
    Mutation(
        "a source process that fails while starting is left",
        "labkit/lenses/real.py",
        "            self.close()\n            raise",
        "            raise",
        "tests/test_process.py::test_a_source_process_that_fails_while_starting_leaves_neither_process_nor_pipe",
    ),
    Mutation(
        "only the child process itself is killed",
        "labkit/process.py",
        "os.killpg(self._process.pid, signal.SIGKILL)",
        "self._process.kill()",
        "tests/test_process.py::test_what_a_child_started_is_killed_with_it",
    ),
    Mutation(
        "a lost request reaches the host",
        "labkit/faults/lost.py",
        '        exchange.time_out(httpx.ReadTimeout, "the request was lost")',
        '        onward()\n        exchange.time_out(httpx.ReadTimeout, "the request was lost")',
        "tests/test_each_fault.py::test_a_lost_request_ends_at_the_timeout_and_leaves_no_duplicate",
    ),
    Mutation(
        "no deadline ends a drip",
        "labkit/network/sent.py",
        "ends = (self.meter.until, None if timeout is None else since + timeout)",
        "ends = (None, None if timeout is None else since + timeout)",
        "tests/test_each_fault.py::test_a_drip_is_ended_by_the_deadline_of_a_delivery",
    ),
    Mutation(
        "a read timeout ends a drip",
        "labkit/network/sent.py",
        'end = self._times_out_at("read", self.network.clock.now())',
        'end = self._times_out_at("read", self.sent_at)',
        "tests/test_each_fault.py::test_a_drip_is_as_slow_as_it_has_bytes_and_a_read_timeout_does_not_end_it",
    ),
    Mutation(
        "an incomplete answer ends in good order",
        "labkit/faults/broken.py",
        "                left -= len(piece)\n            raise self._broken()\n",
        "                left -= len(piece)\n",
        "tests/test_each_fault.py::test_an_incomplete_page_fails_the_poll_and_moves_no_cursor",
    ),
    Mutation(
        "junk is an empty page",
        "labkit/lenses/lifecycle.py",
        " and not ledger.error[seen]",
        "",
        "tests/test_each_fault.py::test_a_run_that_gets_junk_to_the_end_is_cut_off_and_nothing_is_called_lost",
    ),
    Mutation(
        "a window comes once",
        "labkit/faults/fault.py",
        "since % nanoseconds(self.period) <",
        "since <",
        "tests/test_each_fault.py::test_a_window_recurs_by_its_period",
    ),
    Mutation(
        "a batch hides its events from faults",
        "labkit/faults/fault.py",
        "not set(self.events).isdisjoint(exchange.events)",
        "exchange.event in self.events",
        "tests/test_each_fault.py::test_a_poison_event_takes_its_batch_with_it",
    ),
    Mutation(
        "a clock is wrong for ever",
        "labkit/faults/world.py",
        "return self.seconds if self.active(at) else 0.0",
        "return self.seconds if at >= self.start else 0.0",
        "tests/test_each_fault.py::test_a_receiver_whose_clock_is_ahead_refuses_signatures_and_catches_up",
    ),
    Mutation(
        "a run does not wait for what is committed late",
        "labkit/lenses/virtual.py",
        "len(events) - len(stored) + source",
        "source",
        "tests/test_each_fault.py::test_a_run_waits_for_what_is_committed_after_the_horizon",
    ),
    Mutation(
        "a chunk overtakes another",
        "labkit/network/memory.py",
        "due = self._last = max(self._last, self.clock.nanoseconds + nanoseconds(self.delay + self._leg()))",
        "due = self.clock.nanoseconds + nanoseconds(self.delay + self._leg())",
        "tests/test_each_fault.py::test_a_chunk_is_as_late_as_the_one_before_it_or_later",
    ),
    Mutation(
        "each request pays for a handshake",
        "labkit/network/memory.py",
        "2 * meter.round_trips if meter.request == 1 else 0",
        "2 * meter.round_trips",
        "tests/test_each_fault.py::test_a_new_connection_costs_its_handshake_and_one_that_is_used_again_does_not",
    ),
    Mutation(
        "a stream's delay is that of the instant when it was opened",
        "labkit/network/conditions.py",
        "if fault.active(now()))",
        "if fault.active(exchange.sent_at))",
        "tests/test_each_fault.py::test_a_delay_holds_in_its_window_and_on_a_stream_for_what_is_sent_in_it",
    ),
    Mutation(
        "sender: a batch's retries are sent before they are due",
        "labkit/source/outbox.py",
        '_FRESH = "attempts = earlier"',
        '_FRESH = "TRUE"',
        "tests/test_faults.py::test_the_retries_of_a_full_batch_keep_the_waits",
    ),
    Mutation(
        "sender: a rest is not kept",
        "labkit/source/outbox.py",
        "WHERE rests_until <= ?",
        "WHERE rests_until <= ? + (1 << 62)",
        "tests/test_retries.py::test_brevo_with_its_rest_is_as_in_arithmetic",
    ),
    Mutation(
        "sender: any answer makes an endpoint rest",
        "labkit/source/health.py",
        "rests = 0 if answered else",
        "rests =",
        "tests/test_health.py::test_an_answer_of_any_status_is_no_reason_to_rest",
    ),
    Mutation(
        "sender: a success does not end a row of failures",
        "labkit/source/health.py",
        "WHERE id = ? AND failures > 0",
        "WHERE id = ? AND failures > 99",
        "tests/test_health.py::test_after_a_success_the_count_starts_again",
    ),
    Mutation(
        "sender: the notice's cursor is behind what was missed",
        "labkit/source/health.py",
        "coalesce(({missed}) - 1,",
        "coalesce(({missed}),",
        "tests/test_health.py::test_verified_again_it_is_on_again_and_a_redelivery_from_the_notice_loses_nothing",
    ),
    Mutation(
        "sender: notices go to everybody",
        "labkit/source/store.py",
        "else type not in NOTICES)",
        "else True)",
        "tests/test_health.py::test_a_notice_goes_to_those_who_name_its_type_and_to_nobody_else",
    ),
    Mutation(
        "sender: a class of statuses counts before a single one",
        "labkit/policies.py",
        'for written in (str(status), f"{status // 100}xx"):',
        'for written in (f"{status // 100}xx", str(status)):',
        "tests/test_retries.py::test_statuses_mean_what_the_profile_says",
    ),
    Mutation(
        "retention: a gap is silent",
        "labkit/source/store.py",
        "if place < (horizon := self.horizon()):",
        "if place < 0 * (horizon := self.horizon()):",
        "tests/test_retention.py::test_a_cursor_before_an_expired_event_is_answered_410_with_the_oldest_that_has_missed_nothing",
    ),
    Mutation(
        "retention: the oldest cursor is one event too far",
        "labkit/source/store.py",
        "raise ExpiredError(self.cursor(horizon))",
        "raise ExpiredError(self.cursor(horizon + 1))",
        "tests/test_retention.py::test_a_cursor_before_an_expired_event_is_answered_410_with_the_oldest_that_has_missed_nothing",
    ),
    Mutation(
        "retention: an event is erased while its delivery is pending",
        "labkit/source/store.py",
        "min(self.horizon(), pending - 1)",
        "self.horizon()",
        "tests/test_retention.py::test_an_event_whose_delivery_is_pending_is_delivered_however_old_it_is",
    ),
    Mutation(
        "two sources may have one file",
        "labkit/sqlite.py",
        'lock.execute("BEGIN EXCLUSIVE")',
        'lock.execute("BEGIN")',
        "tests/test_store.py::test_a_second_source_on_a_file_is_refused_with_the_reason",
    ),
    Mutation(
        "a loss where none is expected holds",
        "labkit/verdicts/measured.py",
        "    elif lost and not reason:",
        "    elif lost < 0:",
        "tests/test_verdicts.py::test_a_loss_where_none_is_expected_fails",
    ),
    Mutation(
        "no loss where one is expected is well",
        "labkit/verdicts/measured.py",
        "    elif reason and not lost:",
        "    elif lost < 0:",
        "tests/test_verdicts.py::test_no_loss_where_one_is_expected_fails",
    ),
    Mutation(
        "an effect that happened twice is well",
        "labkit/verdicts/measured.py",
        "    if doubled:",
        "    if doubled < 0:",
        "tests/test_verdicts.py::test_a_receiver_without_deduplication_fails",
    ),
    Mutation(
        "failed verdicts end with status 0",
        "labkit/cli/faults.py",
        "    if failed:\n        raise SystemExit(1)\n",
        "",
        "tests/test_cli_faults.py::test_a_verdict_that_is_not_the_expected_one_fails_with_status_1",
    ),
    Mutation(
        "an endpoint's limit in flight is not kept",
        "labkit/source/outbox.py",
        "max(0, in_flight - in_flight_now)",
        "in_flight",
        "tests/test_dispatcher.py::test_a_herd_of_1000_deliveries_meets_a_receiver_that_comes_back_few_at_a_time",
    ),
    Mutation(
        "a wait has no jitter",
        "labkit/policies.py",
        "return wait * chance.uniform(1 - self.jitter, 1 + self.jitter) if self.jitter else wait",
        "return wait",
        "tests/test_dispatcher.py::"
        "test_jitter_spreads_a_herd_of_1000_deliveries_and_without_it_they_are_all_due_at_once",
    ),
    Mutation(
        "every copy of an event has its effect",
        "labkit/receiver/inbox.py",
        "if new and effect:",
        "if effect:",
        "tests/test_inbox.py::test_forty_events_delivered_eight_times_at_once_have_forty_effects",
    ),
    Mutation(
        "an inbox forgets its events when its process dies",
        "labkit/receiver/inbox.py",
        "self._db = Database(path, _SCHEMA)",
        'self._db = Database(":memory:", _SCHEMA)',
        "tests/test_crash.py::test_five_kills_of_each_party_at_random_moments_lose_nothing_and_have_each_effect_once",
    ),
    Mutation(
        "the first event of a log is counted in its first window",
        "labkit/description/dispersion.py",
        "at[1:-1] - at[0]",
        "at[:-1] - at[0]",
        "tests/test_description.py::test_the_ratio_is_variance_over_mean_of_all_counts_empty_ones_too",
    ),
    Mutation(
        "a scale's range is for that scale alone",
        "labkit/description/dispersion.py",
        "LEVEL ** (1 / max(len(lengths), 1))",
        "LEVEL",
        "tests/test_description.py::test_a_poisson_stream_is_out_of_its_range_once_in_a_hundred_times",
    ),
    Mutation(
        "a day that a log has in part is one of its days",
        "labkit/description/rhythm.py",
        "-(-first // (24 * HOUR))",
        "first // (24 * HOUR)",
        "tests/test_description.py::test_only_whole_days_tell_of_a_daily_rhythm",
    ),
    Mutation(
        "control characters of a log reach the terminal",
        "labkit/catalogue.py",
        'each if each.isprintable() else each.encode("unicode_escape").decode()',
        "each",
        "tests/test_description.py::test_types_that_a_log_s_author_made_up_are_harmless_in_a_sentence",
    ),
    Mutation(
        "an instant without an offset is in UTC",
        "labkit/log/instants.py",
        "instant.replace(tzinfo=self.zone)",
        "instant.replace(tzinfo=UTC)",
        "tests/test_log.py::test_a_local_time_is_the_instant_that_pandas_says",
    ),
    Mutation(
        "a relay's polls count as the source's load",
        "labkit/result.py",
        '(counted.kind == "delivery") | (counted.host == SOURCE)',
        'counted.kind != "setup"',
        "tests/test_load.py::test_a_relay_s_polls_are_not_the_source_s",
    ),
    Mutation(
        "a pause with jitter has no round trip",
        "labkit/load.py",
        "* self.interval + 2 * self.delay for sign",
        "* self.interval for sign",
        "tests/test_load.py::test_with_jitter_it_is_the_mean_of_random_walks",
    ),
    Mutation(
        "the model answers a poll as an outage begins",
        "labkit/lenses/model/pages.py",
        "if answered >= cut:",
        "if answered > cut:",
        "tests/test_model_outages.py::test_an_answer_that_arrives_as_an_outage_begins_is_lost",
    ),
    Mutation(
        "the model answers a delivery as an outage begins",
        "labkit/lenses/model/attempts.py",
        "hold is None and sent + takes < cut",
        "hold is None and sent + takes <= cut",
        "tests/test_model_outages.py::test_an_outage_of_twenty_minutes_is_as_in_the_virtual_lens",
    ),
    Mutation(
        "no endpoint rests in the model",
        "labkit/lenses/model/attempts.py",
        "max(self.until, at + self._rest), True",
        "max(self.until, at), True",
        "tests/test_model_outages.py::test_a_delivery_is_attempted_at_the_instants_of_its_profile",
    ),
    Mutation(
        "a stream of the model is silent",
        "labkit/lenses/model/stream.py",
        "silences += max(0, until - since) // beat",
        "silences += 0",
        "tests/test_model_outages.py::test_a_stream_is_resumed_after_an_outage_as_in_the_virtual_lens",
    ),
    Mutation(
        "a notice for a new event waits as long as the one before it",
        "labkit/lenses/model/doorbell.py",
        ".id, 0, bisect_right(",
        ".id, step, bisect_right(",
        "tests/test_model_outages.py::test_a_notice_that_fails_is_sent_again_with_the_next_event_and_stands_for_both",
    ),
    Mutation(
        "no lease of the model ends",
        "labkit/lenses/model/leased.py",
        "gone = not verifies and decided >= ends",
        "gone = False",
        "tests/test_model_outages.py::test_a_lease_that_ends_in_an_outage_loses_what_occurs_until_the_url_is_verified",
    ),
    Mutation(
        "an outage of the model does not recur",
        "labkit/lenses/model/outages.py",
        "(at - self._start) % self._period",
        "(at - self._start)",
        "tests/test_model_outages.py::test_polls_that_never_succeed_are_an_error_as_in_the_virtual_lens",
    ),
    Mutation(
        "the model forgets that a refused request has no connection",
        "labkit/result.py",
        "return requests[requests.connection >= 0]",
        "return requests",
        "tests/test_result.py::test_a_request_that_never_had_a_connection_counts_as_none",
    ),
    Mutation(
        "a token is not asked for",
        "labkit/server/connection.py",
        "if self._token and not",
        "if False and not",
        "tests/test_credentials.py::test_without_the_token_every_path_is_401_and_the_app_is_not_reached",
    ),
    Mutation(
        "every address is served without a token",
        "labkit/server/server.py",
        "if not token and not address.is_loopback:",
        "if not token and not address:",
        "tests/test_credentials.py::test_another_address_than_loopback_is_not_served_without_a_token",
    ),
    Mutation(
        "a secret's file may be read by everybody",
        "labkit/cli/credentials.py",
        "mode & 0o077",
        "mode & 0o000",
        "tests/test_credentials.py::test_a_file_that_other_users_can_read_or_write_is_refused_with_the_remedy",
    ),
    Mutation(
        "a complaint shows the secret that it is about",
        "labkit/source/bodies.py",
        'if not found or path.startswith(".secret"):',
        "if not found:",
        "tests/test_secrets.py::test_a_known_secret_is_in_its_own_answer_and_in_private_files_and_nowhere_else",
    ),
    Mutation(
        "a certificate is not verified",
        "labkit/network/sockets.py",
        "httpx.create_ssl_context()",
        "httpx.create_ssl_context(verify=False)",
        "tests/test_https.py::test_a_certificate_that_cannot_be_verified_is_a_failed_attempt_and_nothing_is_sent",
    ),
    Mutation(
        "an answer is not as it was declared",
        "labkit/source/listing.py",
        '"has_more": has_more})',
        '"has_more": int(has_more)})',
        "tests/test_openapi.py::test_schemathesis_finds_nothing_in_any_phase",
    ),
    Mutation(
        "a status is not declared",
        "labkit/source/operations.py",
        "OF_A_BODY = (415, 422)",
        "OF_A_BODY = (422,)",
        "tests/test_openapi.py::test_schemathesis_finds_nothing_in_any_phase",
    ),
    Mutation(
        "a stream's line may be endless",
        "labkit/approaches/stream.py",
        "if len(text) > LARGEST_BLOCK:",
        "if len(text) > 30 * LARGEST_BLOCK:",
        "tests/test_any_input.py::test_a_reader_of_streams_stops_at_a_line_or_a_block_that_does_not_end",
    ),
    Mutation(
        "a request may take for ever",
        "labkit/server/connection.py",
        "monotonic() + self._limits.request",
        "monotonic() + 1000 * self._limits.request",
        "tests/test_bad_input.py::test_a_bad_input_is_answered_as_the_table_says_and_changes_nothing",
    ),
)


def main(words):
    wanted = [mutation for mutation in MUTATIONS if all(word in mutation.name for word in words)]
    if not wanted:
        raise SystemExit(f"no mutation has all of these words in its name: {' '.join(words)}")
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy"
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".*", "__pycache__", "node_modules", "out"))
        _demand_green(copy, sorted({mutation.killed_by for mutation in wanted}))
        survivors = [mutation.name for mutation in wanted if not _killed(copy, mutation)]
    print(f"{len(wanted) - len(survivors)} of {len(wanted)} killed")
    return 1 if survivors else 0


def _demand_green(copy, tests):
    done = _pytest(copy, tests)
    if done.returncode != 0:
        raise SystemExit(f"red without any mutation:\n{done.stdout}{done.stderr}")


def _killed(copy, mutation):
    path = copy / mutation.file
    text = path.read_text(encoding="utf-8")
    if text.count(mutation.old) != 1:
        raise SystemExit(
            f"{mutation.file}: must have this once, and has it {text.count(mutation.old)} times: {mutation.old}"
        )
    path.write_text(text.replace(mutation.old, mutation.new), encoding="utf-8")
    done = _pytest(copy, [mutation.killed_by])
    path.write_text(text, encoding="utf-8")
    killed = done.returncode == 1  # 1: tests failed; anything else is pytest's own trouble
    print(f"{'killed  ' if killed else 'SURVIVED'}  {mutation.name}  ({mutation.killed_by.split('::')[1]})", flush=True)
    if not killed:
        print(done.stdout[-2000:], done.stderr[-2000:])
    return killed


def _pytest(copy, tests):
    environ = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    where = "import labkit, pathlib, sys; sys.exit(not pathlib.Path(labkit.__file__).is_relative_to(sys.argv[1]))"
    if subprocess.run([sys.executable, "-c", where, str(copy.resolve())], cwd=copy, env=environ).returncode:
        raise SystemExit("the copy's labkit must be the one that is imported, and is not")
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-p", "no:rerunfailures", *tests]
    return subprocess.run(command, cwd=copy, env=environ, capture_output=True, text=True, timeout=300)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
