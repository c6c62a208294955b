//! A JavaScript or TypeScript project: its root, its files, its habits, whether its code may run.
