# SPDX-License-Identifier: Apache-2.0
"""A table is checked as a whole when the board is created, and never makes a board crash."""

import copy
import json
import random

import pytest
import tvm

from .boards import TensorExchange, create_board, flexpie_error, table

LEFT, RIGHT, FULL = [[0, 2], [0, 4]], [[2, 4], [0, 4]], [[0, 4], [0, 4]]


def good():
    return table(0, 2, [TensorExchange([LEFT, RIGHT], [FULL, FULL], name="t", layer="l")])


def error_of(data, rank=0, boards=2):
    with pytest.raises(tvm.TVMError) as caught:
        create_board(rank, boards, data)
    content, text = flexpie_error(caught.value)
    assert content["kind"] == "table"
    return content, text


def with_exchange(**changes):
    data = good()
    data["exchanges"][0].update(changes)
    return data


def to_peer(region, peer=1, **changes):
    return [{"peer": peer, "region": region, "via": peer, "hops": 1, **changes}]


def relay(**changes):
    """A relay that board 0 of 4 may be asked for."""
    good = {"source": 1, "target": 2, "bytes": 8, "from": 1, "to": 3, "hops": 1}
    return [{**good, **changes}]


CASES = [
    (with_exchange(combine="average"), "combine is copy, sum or max"),
    (with_exchange(dtype="floaty"), "unknown dtype"),
    (with_exchange(dtype="handle"), "no fixed width"),
    (with_exchange(dtype="int4"), "no fixed width"),
    (with_exchange(dtype="float16", combine="sum"), "float32 and int32 only"),
    (with_exchange(dtype="int8", combine="max"), "float32 and int32 only"),
    (with_exchange(id=-1), "out of range"),
    (with_exchange(id="0"), "expected an integer"),
    (with_exchange(id=0.5), "expected an integer"),
    (with_exchange(name=None), "expected a string"),
    (with_exchange(**{"in": [[0, 2]]}), "different numbers of axes"),
    (with_exchange(**{"in": [[0, 2, 3], [0, 4]]}), "[start, stop]"),
    (with_exchange(**{"in": [[2, 2], [0, 4]]}), "is empty"),
    (with_exchange(**{"in": [[-1, 2], [0, 4]]}), "out of range"),
    (with_exchange(**{"out": [[0, 2**60], [0, 4]]}), "out of range"),
    (with_exchange(**{"out": [[0, 2**40], [0, 2**40]]}), "too large"),
    (with_exchange(**{"out": [[0, 1]] * 17}), "more than 16 axes"),
    (with_exchange(**{"in": None}), "not inside"),
    (with_exchange(**{"out": None}), "not inside"),
    (with_exchange(sends=to_peer(FULL)), "send [[0,4),[0,4)] is not inside"),
    (with_exchange(sends=to_peer(LEFT, peer=0)), "board 0 as peer"),
    (with_exchange(sends=to_peer(LEFT, peer=2)), "board 2 as peer"),
    (with_exchange(sends=to_peer(LEFT) * 2), "more than one send"),
    (with_exchange(recvs=to_peer([[2, 5], [0, 4]])), "recv [[2,5),[0,4)] is not inside"),
    (with_exchange(recvs=to_peer([[3, 3], [0, 4]])), "is empty"),
    (with_exchange(recvs=[]), "nobody gives [[2,4),[0,4)]"),
    (with_exchange(recvs=to_peer([[2, 4], [1, 3]])), "nobody gives"),
    (with_exchange(recvs=None), "expected an array"),
    (with_exchange(sends=to_peer(LEFT, via=0)), "by way of board 0"),
    (with_exchange(recvs=to_peer(RIGHT, via=2)), "by way of board 2"),
    (with_exchange(recvs=to_peer(RIGHT, hops=0)), "crossed 0 links"),
    (with_exchange(recvs=to_peer(RIGHT, hops=2)), "crossed 2 links"),
]
RELAYS = [
    (relay(source=0), "from board 0 to 2 is not between two other boards"),
    (relay(target=0), "is not between"),
    (relay(target=4), "is not between"),
    (relay(target=1), "is not between"),
    (relay() * 2, "appears twice"),
    (relay(**{"from": 0}), "by way of board 0"),
    (relay(to=4), "by way of board 4"),
    (relay(to=1), "goes back"),
    (relay(hops=0), "crossed 0 links"),
    (relay(bytes=0), "has 0 bytes"),
    (relay(bytes=2**32), "has 4294967296 bytes"),
    (relay(bytes=-1), "has -1 bytes"),
    (None, "expected an array"),
]


@pytest.mark.parametrize(("data", "says"), CASES, ids=[says for _, says in CASES])
def test_a_bad_exchange_is_named(data, says):
    content, text = error_of(data)
    assert says in text
    if data["exchanges"][0]["id"] == 0:
        assert content["exchange"] == 0


@pytest.mark.parametrize(("relays", "says"), RELAYS)
def test_a_bad_relay_is_named(relays, says):
    data = table(0, 4, [TensorExchange([None] * 4, [None] * 4)])
    data["exchanges"][0]["relays"] = relay()
    create_board(0, 4, data)["close"]()
    data["exchanges"][0]["relays"] = relays
    assert says in error_of(data, 0, 4)[1]


def test_ranks_that_do_not_fit_a_header():
    assert "rank 0 of 257 boards" in error_of({**good(), "boards": 257}, 0, 257)[1]


def test_a_message_that_does_not_fit_a_header():
    huge = [[0, 2**31]]
    data = {**good(), "exchanges": [{**good()["exchanges"][0], "in": huge, "out": huge}]}
    data["exchanges"][0].update(sends=to_peer(huge), recvs=[])
    assert "exceeds 4 GiB" in error_of(data)[1]


@pytest.mark.parametrize(
    "missing", ["id", "name", "layer", "dtype", "combine", "in", "out", "sends", "recvs", "relays"]
)
def test_a_missing_member_is_named(missing):
    data = good()
    del data["exchanges"][0][missing]
    assert f'no member "{missing}"' in error_of(data)[1]


def test_an_id_that_appears_twice():
    data = good()
    data["exchanges"] *= 2
    assert "twice" in error_of(data)[1]


@pytest.mark.parametrize(("rank", "boards"), [(1, 2), (0, 3), (2, 2), (-1, 2), (0, 0)])
def test_the_table_of_another_board(rank, boards):
    error_of(good(), rank, boards)


@pytest.mark.parametrize("deadline_ms", [0, -5])
def test_a_deadline_is_positive(deadline_ms):
    with pytest.raises(tvm.TVMError, match="deadline_ms"):
        create_board(0, 2, good(), deadline_ms)


def test_every_broken_off_table_is_refused():
    text = json.dumps(good())
    for length in range(len(text)):
        error_of(text[:length])
    error_of(text + "]")


def test_a_table_with_changed_characters_never_crashes():
    text = json.dumps(good())
    choose = random.Random(1)
    errors = []
    for _ in range(500):
        at = choose.randrange(len(text))
        changed = text[:at] + choose.choice('{}[]",:0-e.\\nu') + text[at + 1 :]
        try:
            create_board(0, 2, changed)["close"]()
        except tvm.TVMError as error:
            errors.append(flexpie_error(error)[0]["kind"])
    assert set(errors) == {"table"}
    assert len(errors) > 250


def test_nesting_without_end_is_refused():
    assert "nested too deep" in error_of("[" * 100000)[1]


DIGITS = "9" * 400


@pytest.mark.parametrize(
    ("new", "says"),
    [
        ('"id": 0, "id": 0', '"id" appears twice in an object'),
        ('"id": 0, "x": {"a": 1, "a": 1}', '"a" appears twice in an object'),
        ('"id": 9223372036854775808', "expected an integer"),
        ('"id": -9223372036854775809', "expected an integer"),
        ('"id": 0, "x": ' + "[" * 29 + "]" * 29, None),
        ('"id": 0, "x": ' + "[" * 30 + "]" * 30, "nested too deep"),
        (f'"id": {DIGITS}', "number overflow"),
        ('"id": 01', "bad JSON at character"),
        ('"id": NaN', "invalid literal"),
        ('"id": 0, "x": "\\ud800"', "surrogate"),
        ('"id": 0, "x": "a\nb"', "control character"),
        ('"id": 0,', "expected string literal"),
        (f'"id": x{"y" * 9999}', "invalid literal"),
    ],
)
def test_json_that_python_would_take_or_that_nobody_would(new, says):
    text = json.dumps(good())
    assert text.count('"id": 0') == 1
    text = text.replace('"id": 0', new)
    if says is None:
        create_board(0, 2, text)["close"]()
        return
    content, said = error_of(text)
    assert says in said
    assert len(said) < 220
    assert content["board"] == 0


def test_a_syntax_error_has_its_place():
    text = json.dumps(good())
    at = text.index(':') + 1
    assert f"bad JSON at character {at + 1}: " in error_of(text[:at] + "?" + text[at:])[1]


def test_unknown_members_are_ignored_and_names_travel_unharmed():
    name = 'Größe "\\/\n\t\x01 日本 🥧'
    data = good()
    data["comment"] = {"made": [1.5e3, True, False, None]}
    data["exchanges"][0].update(name=name, layer=None, note="x")
    for ascii_only in (True, False):
        board = create_board(0, 2, json.dumps(data, ensure_ascii=ascii_only))
        exchange = json.loads(board["stats"]())["exchanges"][0]
        assert (exchange["name"], exchange["layer"]) == (name, "")
        board["close"]()
    bad = copy.deepcopy(data)
    bad["exchanges"][0]["combine"] = "x"
    assert error_of(bad)[0]["tensor"] == name
