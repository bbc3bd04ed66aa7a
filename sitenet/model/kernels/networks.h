// A network of one layer as Python passes it: pointers to its tensors, or to their gradients.
#pragma once

#include "layer.h"

template <class T>
struct Network {
  T *weight, *bias, *scale, *shift;

  LayerTensors<T> layer(int64_t inputs) const {
    const auto one = [](T* tensor, int64_t stride) {
      return Rows<T>{{tensor, tensor, tensor}, stride};
    };
    return {one(weight, inputs), one(bias, 1), one(scale, 1), one(shift, 1)};
  }
};
