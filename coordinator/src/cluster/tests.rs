//! Topics: every rule of creation, records, options.
