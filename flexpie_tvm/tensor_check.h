// SPDX-License-Identifier: Apache-2.0
/*!
 * \file tensor_check.h
 * \brief Whether the tensors that compiled code hands over are the boxes of the table.
 */
#ifndef FLEXPIE_TVM_TENSOR_CHECK_H_
#define FLEXPIE_TVM_TENSOR_CHECK_H_

#include <dlpack/dlpack.h>
#include <sys/uio.h>

#include "exchange.h"

namespace flexpie {

/*! \brief Where the boxes "in" and "out" begin; null where the table has none. */
struct TensorPair {
  const char* x;
  char* y;
};

/*! \brief Whether rows follow each other without gaps. */
bool IsCompact(const DLTensor& tensor);

/*! \brief What the elements of a compact tensor take. */
size_t BytesOf(const DLTensor& tensor);

/*! \brief Where the elements of a compact tensor are. */
iovec MemoryOf(const DLTensor& tensor);

/*! \brief Throws kTable unless both are compact CPU tensors of the table's shape and dtype. */
TensorPair CheckTensors(const Exchange& exchange, const DLTensor* x, const DLTensor* y);

}  // namespace flexpie

#endif  // FLEXPIE_TVM_TENSOR_CHECK_H_
