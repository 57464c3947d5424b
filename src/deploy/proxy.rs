//! A TCP proxy: new connections go to the healthy candidate, old ones end in peace.
