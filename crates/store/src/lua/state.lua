-- What the scripts that change state share.
-- HISTORY_LENGTH, CHANNEL, MAX_ENTRIES and MAX_ALL_BYTES are written before this text.
-- args of all of them: expired_envelope (the publication of an expired entry, up to its key).
local clock_key, names_key, deadlines_key, history_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local slot = string.sub(clock_key, 1, -#'clock' - 1)
-- How many bytes each entry has, and all together.
local sizes_key = slot .. 'state-sizes'

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
end

local function publish(version, envelope)
  redis.call('PUBLISH', CHANNEL, envelope .. version .. '}}')
end

-- Adds a change to the history and publishes it: `envelope` is the publication up to the version.
local function publish_change(change, version, name, envelope)
  record(history_key, version, HISTORY_LENGTH, 'c', change, 'k', name)
  publish(version, envelope)
end

-- The field of the sizes that says when the ends of all bookkeeping were moved last. Names of entries begin with a colon.
local KEPT_AT = 'kept_at'

-- Publishes the write of an entry, and keeps the bookkeeping that the write needs. A key can be missing only before an entry
-- that is new; else the ends are moved so seldom that nobody asks for them in between.
local function publish_write(change, version, is_new, kept_at)
  append(history_key, version, HISTORY_LENGTH, 'c', change, 'k', args.name)
  publish(version, args.envelope)
  local keys = {names_key, deadlines_key, history_key}
  if is_new then
    for _, key in ipairs(keys) do linger(key) end
  end
  if math.abs(now_ms() - kept_at) < QUIET_MS / 4 then return end
  redis.call('HSET', sizes_key, KEPT_AT, now_ms())
  keys[#keys + 1] = sizes_key
  for _, key in ipairs(keys) do redis.call('PEXPIRE', key, QUIET_MS) end
end

-- Notes how many bytes an entry has now, 0 if it is gone; `was` is what is noted, if the caller knows. Entries of older
-- versions count nothing until they are written.
local function note_size(name, bytes, was)
  was = was or tonumber(redis.call('HGET', sizes_key, ':' .. name) or 0)
  if bytes == was then return end
  if bytes == 0 then redis.call('HDEL', sizes_key, ':' .. name) else redis.call('HSET', sizes_key, ':' .. name, bytes) end
  if redis.call('HINCRBY', sizes_key, 'all', bytes - was) <= 0 then redis.call('HDEL', sizes_key, 'all') end
  linger(sizes_key)
end

-- Takes at most so many expired entries off the lists, and publishes each. Redis deletes an entry after its last
-- millisecond, not during it.
local function sweep(most)
  for _, name in ipairs(redis.call('ZRANGEBYSCORE', deadlines_key, '-inf', '(' .. now_ms(), 'LIMIT', 0, most)) do
    redis.call('ZREM', deadlines_key, name)
    if redis.call('EXISTS', slot .. 'state:' .. name) == 0 then
      redis.call('ZREM', names_key, name)
      note_size(name, 0)
      local version = tick(clock_key)
      publish_change('expired', version, name, args.expired_envelope .. cjson.encode(name) .. ',"version":')
    end
  end
end

-- Nil if an entry of so many bytes has room, else the refusal; how many bytes are noted of the entry; and when the ends of the
-- bookkeeping were moved. Expired entries make room first.
local function refuse_full(is_new, bytes)
  local function full()
    local entries = is_new and redis.call('ZCARD', names_key) or 0
    if entries >= MAX_ENTRIES then
      return reply('STATE_FULL', {held = entries, max = MAX_ENTRIES, what = 'entries'})
    end
    local sizes = redis.call('HMGET', sizes_key, 'all', ':' .. args.name, KEPT_AT)
    local all, own = tonumber(sizes[1] or 0), tonumber(sizes[2] or 0)
    if bytes > own and all - own + bytes > MAX_ALL_BYTES then
      return reply('STATE_FULL', {held = all, max = MAX_ALL_BYTES, what = 'bytes'})
    end
    return nil, own, tonumber(sizes[3] or 0)
  end
  local refused, noted, kept_at = full()
  if not refused then return nil, noted, kept_at end
  sweep(1000)
  return full()
end

-- Every write takes off more than it puts on, so the lists stay as small as the set of living entries.
local SWEPT_BY_A_WRITE = 4
