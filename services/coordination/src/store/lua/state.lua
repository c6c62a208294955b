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
