-- What the scripts that change file leases share.
-- `files` holds `token since_ms holder NUL lease` under each lease's id; `newest` is the token of the newest lease; `grants`
-- holds `the newest token before, token, id` of the last grants.
local files_key, deadlines_key, newest_key, grants_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4]

-- Grants that are remembered: a process that saw an older table reads the whole one.
local GRANTS = 64

local function holder_of(stored)
  return string.match(stored, '^%d+ %d+ (%Z*)')
end

local function forget(lease_id)
  redis.call('HDEL', files_key, lease_id)
  redis.call('ZREM', deadlines_key, lease_id)
end

-- Takes off the leases that ended by themselves.
local function sweep(until_ms)
  for _, lease_id in ipairs(redis.call('ZRANGEBYSCORE', deadlines_key, '-inf', until_ms)) do forget(lease_id) end
end

-- Remembers a grant.
local function note_grant(before, token, lease_id)
  redis.call('RPUSH', grants_key, before .. ' ' .. token .. ' ' .. lease_id)
  redis.call('LTRIM', grants_key, -GRANTS, -1)
end

-- The ids of the leases that were granted after the token `known`, some of which may be gone; nil if that is not remembered.
-- Each grant must follow the one before it without a gap: an older version of SHIM remembers none of its own.
local function granted_since(known, newest)
  local ids, expected = {}, newest
  if known == newest then return ids end
  local grants = redis.call('LRANGE', grants_key, 0, -1)
  for i = #grants, 1, -1 do
    local before, token, lease_id = string.match(grants[i], '^(%d+) (%d+) (%S+)$')
    if token ~= expected then return nil end
    ids[#ids + 1] = lease_id
    if before == known then return ids end
    expected = before
  end
  return nil
end

-- The living leases as a caller needs them that has all in sight up to the token `known`: those that were granted since, and
-- the `checked` ones; all, if `known` is nil or too old. Fields: now_ms, newest ('0' if there is no lease), whole (whether these
-- are all), live {id, expires_ms, ...}, leases {id, stored, ...}, in which ended ones may be, too.
local function table_since(known, checked)
  local now, newest = now_ms(), redis.call('GET', newest_key) or '0'
  local ids = known and granted_since(known, newest)
  if not ids then
    return {now_ms = now, newest = newest, whole = true,
      live = redis.call('ZRANGEBYSCORE', deadlines_key, '(' .. now, '+inf', 'WITHSCORES'),
      leases = redis.call('HGETALL', files_key)}
  end
  for _, lease_id in ipairs(checked or {}) do ids[#ids + 1] = lease_id end
  local live, leases = {}, {}
  for _, lease_id in ipairs(ids) do
    local stored, due = redis.call('HGET', files_key, lease_id), redis.call('ZSCORE', deadlines_key, lease_id)
    if stored and due and tonumber(due) > now then
      live[#live + 1], live[#live + 2] = lease_id, due
      leases[#leases + 1], leases[#leases + 2] = lease_id, stored
    end
  end
  return {now_ms = now, newest = newest, whole = false, live = live, leases = leases}
end

-- Lets all keys end with the last lease. So no `newest` means no lease.
local function keep_table()
  local last = redis.call('ZRANGE', deadlines_key, -1, -1, 'WITHSCORES')
  if not last[2] then return end
  for _, key in ipairs({files_key, deadlines_key, newest_key, grants_key}) do redis.call('PEXPIREAT', key, last[2]) end
end
