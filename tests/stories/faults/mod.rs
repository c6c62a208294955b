//! What the world does to a store: full and read-only disks, damaged files, clocks that jump.

mod clock;
mod damaged_database;
mod full_disk;
mod full_disk_code;
mod known_store;
mod read_only_folder;
mod unwritable_files;
