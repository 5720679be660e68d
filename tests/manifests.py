"""The fields that every manifest of an artefact has."""

WHOLE = {
    "kind": "onnx", "versions": {}, "model": {"class_name": "Model", "parameters": 0}, "signatures": {}, "states": [],
    "vocabulary_size": None, "tokenizer": None, "parity": {"checks": []},
}  # fmt: skip
