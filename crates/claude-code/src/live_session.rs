//! The file that Claude Code keeps for each live session, `sessions/PID.json` in its folder.
