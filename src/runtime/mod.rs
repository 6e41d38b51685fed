//! What runs a stage, knowing nothing of any stage.
