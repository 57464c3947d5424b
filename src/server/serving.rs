//! A model behind the Open Inference Protocol.
