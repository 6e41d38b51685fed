//! Order-flow files: reading, making and replaying them.
