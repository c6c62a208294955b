//! The evolution service over real tools and real projects.
