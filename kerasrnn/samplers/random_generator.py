"""The shared random generator: one seed gives the same numbers in TensorFlow, NumPy and ONNX, uniform ones bit for bit."""

from typing import Any

from kerasrnn._backend import tf

_GAMMA = 0x9E3779B97F4A7C15


def uniform(seed: Any, step: Any) -> Any:
    """Uniform numbers in [0, 1), a counter hash with no carried state (SplitMix64).

        key = mix(seed + γ)      u = ⌊mix(key + (step + 1) · γ) / 2⁴⁰⌋ · 2⁻²⁴      in 64-bit unsigned arithmetic

    Args:
        seed: int64 tensor, one seed a row.
        step: int64 tensor that broadcasts against it: the number of draws before this one.

    Returns:
        float32 tensor, multiples of 2⁻²⁴.

    Example:

    >>> import tensorflow as tf
    >>> uniform(tf.constant([7, 7], tf.int64), tf.constant(0, tf.int64)).numpy()
    array([0.72150815, 0.72150815], dtype=float32)

    Reference:
        Steele, G., Lea, D. and Flood, C. (2014). Fast splittable pseudorandom number generators. OOPSLA.
    """
    gamma = tf.constant(_GAMMA, tf.uint64)
    key = _mix(tf.cast(seed, tf.uint64) + gamma)
    bits = _mix(key + (tf.cast(step, tf.uint64) + tf.constant(1, tf.uint64)) * gamma)
    # Through int64: of the two casts to float32 it is the one every runtime has; the number fits in 24 bits.
    return tf.cast(tf.cast(_shift(bits, 40), tf.int64), tf.float32) * 2.0**-24


def normal(uniforms: Any) -> Any:
    """Standard normal numbers from uniform ones: the inverse of the normal distribution function, in seven digits.

        z = Φ⁻¹(u + 2⁻²⁵)        never infinite: the middle of each of the 2²⁴ cells that `uniform` tells apart

    Args:
        uniforms: float32 tensor, what `uniform` gave.

    Returns:
        float32 tensor of the same shape.

    Example:

    >>> import tensorflow as tf
    >>> normal(tf.constant([0.0, 0.5, 0.975])).numpy().round(2) + 0.0
    array([-5.42,  0.  ,  1.96], dtype=float32)

    Reference:
        Wichura, M. (1988). Algorithm AS 241: the percentage points of the normal distribution. Applied Statistics 37.
    """
    # Both differences are exact in float32; u + 2⁻²⁵ would round to 1.
    centred = (uniforms - 0.5) + 2.0**-25
    tail = 0.5 - tf.abs(centred)
    r = 0.180625 - tf.square(centred)
    central = centred * _polynomial(r, _NEAR) / _polynomial(r, _NEAR_DIVISOR)
    r = tf.sqrt(-tf.math.log(tail)) - 1.6
    outer = tf.sign(centred) * _polynomial(r, _FAR) / _polynomial(r, _FAR_DIVISOR)
    return tf.where(tail >= 0.075, central, outer)


# Wichura's PPND7, the constant term first.
_NEAR = (3.3871327179, 50.434271938, 159.29113202, 59.109374720)
_NEAR_DIVISOR = (1.0, 17.895169469, 78.757757664, 67.187563600)
_FAR = (1.4234372777, 2.7568153900, 1.3067284816, 0.17023821103)
_FAR_DIVISOR = (1.0, 0.73700164250, 0.12021132975)


def _polynomial(x: Any, coefficients: tuple[float, ...]) -> Any:
    value = coefficients[-1]
    for coefficient in reversed(coefficients[:-1]):
        value = value * x + coefficient
    return value


def _mix(z: Any) -> Any:
    z = tf.bitwise.bitwise_xor(z, _shift(z, 30)) * tf.constant(0xBF58476D1CE4E5B9, tf.uint64)
    z = tf.bitwise.bitwise_xor(z, _shift(z, 27)) * tf.constant(0x94D049BB133111EB, tf.uint64)
    return tf.bitwise.bitwise_xor(z, _shift(z, 31))


def _shift(z: Any, bits: int) -> Any:
    return tf.bitwise.right_shift(z, tf.constant(bits, tf.uint64))
