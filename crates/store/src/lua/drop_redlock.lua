-- On a lock node: gives a key back, if it has this value.
-- KEYS: redlock
-- ARGV: value
-- OK.
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return {'OK'}
