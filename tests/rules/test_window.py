# SPDX-License-Identifier: Apache-2.0
"""Windows by brute force: which inputs a range of outputs touches."""

from hypothesis import assume, given
from hypothesis import strategies as st

from flexpie_tvm.rules.window import paddings, spread, transposed_span, window_span

WINDOWS = {
    "size": st.integers(1, 12),
    "kernel": st.integers(1, 5),
    "stride": st.integers(1, 4),
    "dilation": st.integers(1, 3),
    "padding": st.integers(0, 9),
    "after": st.integers(0, 9),
    "data": st.data(),
}


def taps(output, kernel, stride, dilation, padding):
    """Input positions of one output, padding included."""
    return [output * stride - padding + k * dilation for k in range(kernel)]


@given(**WINDOWS)
def test_a_window_reads_exactly_the_inputs_its_outputs_touch(
    size, kernel, stride, dilation, padding, after, data
):
    reach = (kernel - 1) * dilation + 1
    outputs = (size + padding + after - reach) // stride + 1
    assume(outputs >= 1)
    start = data.draw(st.integers(0, outputs - 1))
    stop = data.draw(st.integers(start + 1, outputs))
    window = (kernel, stride, dilation, padding)
    all_taps = [p for o in range(outputs) for p in taps(o, *window)]
    assume(any(0 <= p < size for p in range(min(all_taps), max(all_taps) + 1)))
    span = window_span(start, stop, size, *window)
    assert span.out_start <= start
    assert stop <= span.out_stop
    assert 0 <= span.start < span.stop <= size
    positions = [p for o in range(span.out_start, span.out_stop) for p in taps(o, *window)]
    assert span.start == max(0, min(positions))
    assert span.stop == min(size, max(positions) + 1)
    assert span.before == max(0, -min(positions))
    assert span.after == max(0, max(positions) + 1 - size)


@given(
    size=st.integers(1, 8),
    kernel=st.integers(1, 5),
    stride=st.integers(1, 4),
    dilation=st.integers(1, 2),
    crop=st.integers(0, 4),
    crop_after=st.integers(0, 4),
    extra=st.integers(0, 3),
    data=st.data(),
)
def test_a_transposed_window_reads_all_inputs_that_reach_its_outputs(
    size, kernel, stride, dilation, crop, crop_after, extra, data
):
    reach = (kernel - 1) * dilation + 1
    outputs = (size - 1) * stride + reach - crop - crop_after + min(extra, stride - 1)
    assume(outputs >= 1 and crop < reach and crop_after < reach)
    start = data.draw(st.integers(0, outputs - 1))
    stop = data.draw(st.integers(start + 1, outputs))
    span = transposed_span(start, stop, size, kernel, stride, dilation, crop)
    assert 0 <= span.start < span.stop <= size
    for i in range(size):
        reached = [i * stride + k * dilation - crop for k in range(kernel)]
        if any(start <= o < stop for o in reached):
            assert span.start <= i < span.stop
    # The tile's own arithmetic gives the outputs asked for, at the right place.
    extent = (span.stop - span.start - 1) * stride + reach
    assert extent - span.before - span.after == stop - start
    assert span.start * stride - crop + span.before == start
    assert span.before >= 0


def test_short_forms_of_strides_and_padding():
    assert spread(2, 3) == (2, 2, 2)
    assert spread((3,), 2) == (3, 3)
    assert spread((1, 2), 2) == (1, 2)
    assert paddings((1, 2), 2) == ((1, 2), (1, 2))
    assert paddings((1, 2, 3, 4), 2) == ((1, 2), (3, 4))
    assert paddings(1, 2) == ((1, 1), (1, 1))
