//! Writes YAML byte for byte as sigs.k8s.io/yaml does.
