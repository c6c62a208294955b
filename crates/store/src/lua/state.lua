-- What the scripts that change state share. Their KEYS begin with: entry, clock, names, deadlines, feed.

-- Sets an entry's time and keeps it in the lists: names in order, and deadlines to find what has gone by itself.
local function keep_entry(is_new, name, expires_ms)
  redis.call('PEXPIREAT', KEYS[1], expires_ms)
  if is_new then redis.call('ZADD', KEYS[3], 0, name) end
  redis.call('ZADD', KEYS[4], expires_ms, name)
  linger(KEYS[3])
  linger(KEYS[4])
end

-- Adds a change to the history and publishes it: `news` is the envelope up to the version.
local function tell_change(change, version, name, feed_length, channel, news)
  record(KEYS[5], version, feed_length, 'c', change, 'k', name)
  redis.call('PUBLISH', channel, news .. version .. '}}')
end

-- Takes at most so many entries that went by themselves off the lists, and tells so: `news` is the envelope up to the
-- key. An entry goes when its time is over, not yet at that millisecond.
local function sweep(prefix, most, feed_length, channel, news)
  for _, name in ipairs(redis.call('ZRANGEBYSCORE', KEYS[4], '-inf', '(' .. now_ms(), 'LIMIT', 0, most)) do
    redis.call('ZREM', KEYS[4], name)
    if redis.call('EXISTS', prefix .. name) == 0 then
      redis.call('ZREM', KEYS[3], name)
      local version = tick(KEYS[2])
      tell_change('expired', version, name, feed_length, channel, news .. cjson.encode(name) .. ',"version":')
    end
  end
end

-- Every write takes off more than it puts on, so that the lists stay as small as what lives.
local SWEPT_BY_A_WRITE = 4

-- What a write sweeps; `name` is the entry it wrote.
local function sweep_some(name, feed_length, channel, news)
  sweep(string.sub(KEYS[1], 1, -#name - 1), SWEPT_BY_A_WRITE, feed_length, channel, news)
end
