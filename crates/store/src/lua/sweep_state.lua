-- Takes entries that went by themselves off the lists and tells so.
-- KEYS: prefix of the entries' keys, clock, names, deadlines, feed
-- ARGV: how many at most, feed length, channel, news up to the key
sweep(KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4])
return {'OK'}
