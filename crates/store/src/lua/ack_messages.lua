-- Acknowledges messages: they are never given out again.
-- KEYS: messages, deadlines
-- ARGV: ids ...
-- OK: how many were there.
return {'OK', acknowledge(1)}
