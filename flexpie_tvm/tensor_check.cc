// SPDX-License-Identifier: Apache-2.0
#include "tensor_check.h"

#include <string>

namespace flexpie {

namespace {

std::string ShapeText(const DLTensor& tensor) {
  std::string text = "(";
  for (int i = 0; i < tensor.ndim; ++i) text += (i ? "," : "") + std::to_string(tensor.shape[i]);
  return text + ")";
}

bool FitsBox(const DLTensor& tensor, const Region& box) {
  if (tensor.ndim != static_cast<int>(box.size())) return false;
  for (size_t i = 0; i < box.size(); ++i) {
    if (tensor.shape[i] != box[i].extent()) return false;
  }
  return true;
}

char* DataOf(const DLTensor* tensor, const std::optional<Region>& box, const ExchangeSpec& spec,
             const ErrorPlace& place, const std::string& name) {
  if (!box) return nullptr;
  if (!tensor || !tensor->data) Throw(ErrorKind::kTable, place, name + " is missing");
  if (!FitsBox(*tensor, *box)) {
    Throw(ErrorKind::kTable, place,
          name + " has shape " + ShapeText(*tensor) + ", the table says " + ToString(*box));
  }
  const DLDataType& type = tensor->dtype;
  if (type.code != spec.dtype.code || type.bits != spec.dtype.bits ||
      type.lanes != spec.dtype.lanes) {
    Throw(ErrorKind::kTable, place, name + " has another dtype than the table says");
  }
  if (!IsCompact(*tensor)) Throw(ErrorKind::kTable, place, name + " is not compact");
  if (tensor->device.device_type != kDLCPU)
    Throw(ErrorKind::kTable, place, name + " is not on the CPU");
  return static_cast<char*>(tensor->data) + tensor->byte_offset;
}

}  // namespace

bool IsCompact(const DLTensor& tensor) {
  if (!tensor.strides) return true;
  int64_t expected = 1;
  for (int i = tensor.ndim - 1; i >= 0; --i) {
    if (tensor.shape[i] != 1 && tensor.strides[i] != expected) return false;
    expected *= tensor.shape[i];
  }
  return true;
}

size_t BytesOf(const DLTensor& tensor) {
  size_t bytes = (tensor.dtype.bits * tensor.dtype.lanes + 7) / 8;
  for (int i = 0; i < tensor.ndim; ++i) bytes *= tensor.shape[i];
  return bytes;
}

iovec MemoryOf(const DLTensor& tensor) {
  return {static_cast<char*>(tensor.data) + tensor.byte_offset, BytesOf(tensor)};
}

TensorPair CheckTensors(const Exchange& exchange, const DLTensor* x, const DLTensor* y) {
  const ExchangeSpec& spec = exchange.spec();
  const char* from = DataOf(x, spec.in, spec, exchange.place(), "x");
  char* to = DataOf(y, spec.out, spec, exchange.place(), "y");
  if (from && to) {
    // Receives land in y while sends still read x.
    const int64_t x_bytes = Volume(*spec.in) * spec.element_bytes;
    const int64_t y_bytes = Volume(*spec.out) * spec.element_bytes;
    if (from < to + y_bytes && to < from + x_bytes) {
      Throw(ErrorKind::kTable, exchange.place(), "x and y share memory");
    }
  }
  return {from, to};
}

}  // namespace flexpie
