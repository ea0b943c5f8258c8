//! What is printed: tables, JSON, YAML.
