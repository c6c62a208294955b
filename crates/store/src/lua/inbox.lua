-- What the scripts of an inbox share.
local messages_key, deadlines_key = KEYS[1], KEYS[2]

-- The one consumer group, and its one consumer: readers are not told apart, only which messages are out now.
local GROUP = 'reader'

-- Deletes messages for good; returns how many were there.
local function acknowledge(ids)
  if #ids == 0 then return 0 end
  redis.call('XACK', messages_key, GROUP, unpack(ids))
  redis.call('ZREM', deadlines_key, unpack(ids))
  return redis.call('XDEL', messages_key, unpack(ids))
end
