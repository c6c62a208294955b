//! Many workers, one job: SHIM's tasks among programs that know BullMQ and nothing of SHIM.

mod board;
mod bullmq;
mod buttons;
mod manual;
mod suites;
