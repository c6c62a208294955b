-- What the scripts of an inbox share. Their KEYS begin with: messages, deadlines.

-- The one consumer group, and its one consumer: who reads is not told apart, only what is given out now.
local GROUP = 'reader'

-- Takes the messages named in ARGV from `first` on out for good; returns how many were there.
local function acknowledge(first)
  if not ARGV[first] then return 0 end
  redis.call('XACK', KEYS[1], GROUP, unpack(ARGV, first))
  redis.call('ZREM', KEYS[2], unpack(ARGV, first))
  return redis.call('XDEL', KEYS[1], unpack(ARGV, first))
end
