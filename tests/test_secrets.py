"""Callback secrets and encryption at rest."""

from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.secrets import AES_GCM, CallbackSecrets, Encryption, UndecryptableError, same_key

OLD, NEW = "the old key, thirty-two characters", "the new key, thirty-two characters"


@given(st.uuids(), st.uuids())
def test_a_value_fits_its_own_order_alone(order_id: UUID, other_id: UUID) -> None:
    signer = CallbackSecrets([OLD])
    value = signer.authorization(order_id).encode()
    assert signer.verify(str(order_id), value)
    assert signer.verify(str(other_id), value) == (order_id == other_id)


@given(st.text(), st.binary())
def test_no_text_and_no_value_breaks_the_check(order_id: str, value: bytes) -> None:
    assert not CallbackSecrets([OLD]).verify(order_id, value)


def test_the_value_is_the_documented_one() -> None:
    # Fixed: an order placed by one release is called back in the next.
    value = CallbackSecrets([OLD]).authorization(UUID(int=1))
    assert value == CallbackSecrets([OLD, NEW]).authorization(UUID(int=1))
    assert value.startswith("Bearer ")
    assert len(value) == len("Bearer ") + 43


def test_the_first_key_writes_and_all_are_tried() -> None:
    order_id = uuid4()
    rotated = CallbackSecrets([NEW, OLD])
    assert rotated.verify(str(order_id), CallbackSecrets([OLD]).authorization(order_id).encode())
    assert rotated.authorization(order_id) == CallbackSecrets([NEW]).authorization(order_id)
    stored = Encryption([OLD]).encrypt(b"password")
    assert Encryption([NEW, OLD]).decrypt(stored) == b"password"
    with pytest.raises(UndecryptableError):
        Encryption([NEW]).decrypt(stored)


@given(st.binary())
def test_what_is_encrypted_is_told_by_its_key_alone_and_never_the_same_twice(value: bytes) -> None:
    stored = Encryption([OLD]).encrypt(value)
    assert Encryption([OLD]).decrypt(stored) == value
    assert stored != Encryption([OLD]).encrypt(value)
    assert len(stored) == len(value) + 29, "the form, a nonce and a tag"


@given(st.binary(max_size=50), st.data())
def test_what_was_tampered_with_is_not_told(value: bytes, data: st.DataObject) -> None:
    stored = bytearray(Encryption([OLD]).encrypt(value))
    at = data.draw(st.integers(0, len(stored) - 1))
    stored[at] ^= data.draw(st.integers(1, 255))
    for tampered in (bytes(stored), bytes(stored[:at])):
        with pytest.raises(UndecryptableError):
            Encryption([OLD]).decrypt(tampered)


@given(st.binary())
def test_what_nobody_has_encrypted_is_not_told(value: bytes) -> None:
    for stored in (value, AES_GCM + value):
        with pytest.raises(UndecryptableError):
            Encryption([NEW, OLD]).decrypt(stored)


# "password" under OLD, as it was stored before.
AS_FERNET = (
    b"gAAAAABrCGJbmCnUgEIwIKCEHh_L5fAgEB7VoytLwunjU6afpVbwJFYoQVK2tbQKFULxXA8GXe9dctbcmJVadLsPX-7qqFGGpA=="
)


def test_what_was_stored_in_the_former_form_is_read() -> None:
    assert Encryption([NEW, OLD]).decrypt(AS_FERNET) == b"password"
    with pytest.raises(UndecryptableError):
        Encryption([NEW]).decrypt(AS_FERNET)


def test_a_key_is_named_without_being_told() -> None:
    assert CallbackSecrets([OLD]).key_id != CallbackSecrets([NEW]).key_id
    assert CallbackSecrets([OLD]).key_id not in OLD


@given(st.text(), st.text())
def test_keys_are_the_same_only_if_they_are(one: str, other: str) -> None:
    assert same_key(one, other) == (one == other)
