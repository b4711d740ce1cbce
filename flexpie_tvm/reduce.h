// SPDX-License-Identifier: Apache-2.0
/*!
 * \file reduce.h
 * \brief Folding contributions of boards into one tensor, for combine sum and max.
 *
 *  contribution   one board's partial result over a region
 *  identity       what folding starts from where no contribution has been folded yet
 *
 * The caller folds in the order of ranks; each call is one sequential pass, so results repeat bit
 * for bit. max keeps NaN, as numpy does, so that a broken layer stays visible.
 */
#ifndef FLEXPIE_TVM_REDUCE_H_
#define FLEXPIE_TVM_REDUCE_H_

#include "exchange_table.h"
#include "region_copy.h"

namespace flexpie {

/*! \brief Sets bytes of memory to the identity. */
void FillIdentity(Combine combine, DLDataType dtype, char* memory, int64_t bytes);

/*! \brief dst = dst (+ or max) src over a region; memory is aligned to the element. */
void Fold(Combine combine, DLDataType dtype, const RegionCopy& region, const char* src, char* dst);

}  // namespace flexpie

#endif  // FLEXPIE_TVM_REDUCE_H_
