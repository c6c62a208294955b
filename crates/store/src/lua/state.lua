-- What the scripts that change state share.
-- args of all of them: entry_prefix (the start of every entry's key), history_length, channel, expired_envelope (the
-- publication of an expired entry, up to its key).
local clock_key, names_key, deadlines_key, history_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4]

-- The version of an entry, false if there is none; and the refusal if the fence or the expected version does not hold.
local function check(entry_key, lock_key)
  local refused = fenced_out(lock_key, args.fence_token)
  local current = redis.call('HGET', entry_key, 'v')
  if not refused and args.expected_version and (current or '0') ~= args.expected_version then
    refused = reply('VERSION_MISMATCH', {current = current or '0'})
  end
  return current, refused
end

-- Sets an entry's end and keeps the entry in the lists: names in order, and deadlines to find expired entries.
local function keep_entry(entry_key, is_new, expires_ms)
  redis.call('PEXPIREAT', entry_key, expires_ms)
  if is_new then redis.call('ZADD', names_key, 0, args.name) end
  redis.call('ZADD', deadlines_key, expires_ms, args.name)
  linger(names_key)
  linger(deadlines_key)
end

-- Adds a change to the history and publishes it: `envelope` is the publication up to the version.
local function publish_change(change, version, name, envelope)
  record(history_key, version, args.history_length, 'c', change, 'k', name)
  redis.call('PUBLISH', args.channel, envelope .. version .. '}}')
end

-- Takes at most so many expired entries off the lists, and publishes each. Redis deletes an entry after its last
-- millisecond, not during it.
local function sweep(most)
  for _, name in ipairs(redis.call('ZRANGEBYSCORE', deadlines_key, '-inf', '(' .. now_ms(), 'LIMIT', 0, most)) do
    redis.call('ZREM', deadlines_key, name)
    if redis.call('EXISTS', args.entry_prefix .. name) == 0 then
      redis.call('ZREM', names_key, name)
      local version = tick(clock_key)
      publish_change('expired', version, name, args.expired_envelope .. cjson.encode(name) .. ',"version":')
    end
  end
end

-- Every write takes off more than it puts on, so the lists stay as small as the set of living entries.
local SWEPT_BY_A_WRITE = 4
