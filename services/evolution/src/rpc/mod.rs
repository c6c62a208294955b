//! One file for each RPC: decode, call, encode.
