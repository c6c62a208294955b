//! What an answer costs its reader, which session it is about, and what a client leaves behind that asks for none.

mod conversation;
mod handshake;
mod measured;
mod sizes;
