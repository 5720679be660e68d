"""The shared random generator: one seed gives the same numbers in TensorFlow, NumPy and ONNX, bit for bit."""

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


def _mix(z: Any) -> Any:
    z = tf.bitwise.bitwise_xor(z, _shift(z, 30)) * tf.constant(0xBF58476D1CE4E5B9, tf.uint64)
    z = tf.bitwise.bitwise_xor(z, _shift(z, 27)) * tf.constant(0x94D049BB133111EB, tf.uint64)
    return tf.bitwise.bitwise_xor(z, _shift(z, 31))


def _shift(z: Any, bits: int) -> Any:
    return tf.bitwise.right_shift(z, tf.constant(bits, tf.uint64))
