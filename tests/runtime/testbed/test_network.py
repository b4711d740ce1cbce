# SPDX-License-Identifier: Apache-2.0
"""Who is cabled to whom: plain data, checked without root."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flexpie_tvm.errors import ClusterError
from flexpie_tvm.lab.testbed import TOPOLOGIES, TestbedOptions
from flexpie_tvm.lab.testbed.network import BoardNetwork
from flexpie_tvm.lab.testbed.shaping import burst_bytes, packet_bytes

NETWORKS = st.builds(
    lambda boards, topology: BoardNetwork(
        "ab12cd", "198.18.7", TestbedOptions(boards, topology=topology)
    ),
    st.integers(1, 64),
    st.sampled_from(TOPOLOGIES),
)


@given(NETWORKS)
def test_whoever_reaches_another_is_reached_by_it(network):
    reached = [network.peers(rank) for rank in range(network.options.boards)]
    for rank, peers in enumerate(reached):
        assert rank not in peers
        assert all(rank in reached[peer] for peer in peers)


@given(NETWORKS)
def test_topologies_have_the_links_of_their_names(network):
    boards, topology = network.options.boards, network.options.topology
    for rank in range(boards):
        everybody = set(range(boards)) - {rank}
        wanted = {
            "mesh": everybody,
            "ps": everybody if rank == 0 else {0},
            "ring": {(rank + 1) % boards, (rank - 1) % boards} - {rank},
        }[topology]
        assert set(network.peers(rank)) == wanted


@given(NETWORKS)
def test_every_way_to_a_peer_is_a_device_that_a_cable_ends_in(network):
    ends = [(end.namespace, end.device) for cable in network.cables for end in cable.ends]
    assert len(set(ends)) == len(ends)
    for rank in range(network.options.boards):
        for device in network.peers(rank).values():
            assert (network.board(rank), device) in ends
    assert all(len(device) <= 15 for _, device in ends)  # the kernel's limit


@given(NETWORKS)
def test_addresses_are_distinct_and_grow_with_the_rank(network):
    own = [ipaddress.ip_address(network.address(k)) for k in range(network.options.boards)]
    others = {ipaddress.ip_address(a) for a in (network.host_address, network.tracker_address)}
    assert own == sorted(set(own))
    assert not others & set(own)


@given(st.floats(1e5, 1e11))
def test_packets_pass_the_bucket_whole(rate):
    assert 1514 <= packet_bytes(rate) <= burst_bytes(rate) / 2
    assert packet_bytes(rate) <= 65536


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"boards": 0}, "testbed of 0 boards: give 1 to 64"),
        ({"topology": "shared"}, "no topology 'shared': choose one of mesh, ring, ps"),
        ({"speeds": (1.0,)}, "1 speeds for 2 boards"),
        ({"archs": ("mips",)}, "unknown architecture 'mips': choose x86_64 or aarch64"),
        ({"archs": ("x86_64",) * 3}, "3 architectures for 2 boards"),
        ({"cpu": 1.5}, "1.5 cores for a board"),
        ({"bandwidth": 0.0}, "bandwidths must be above 0"),
    ],
)
def test_options_that_make_no_sense(values, words):
    with pytest.raises(ClusterError, match=words):
        TestbedOptions(**values)
