-- What the scripts that change file leases share. Their KEYS begin with: files, deadlines, table.
-- `files` holds `token since_ms holder NUL lease` under each lease's id; `table` is the token of the newest lease.

local function holder_of(stored)
  return string.match(stored, '^%d+ %d+ (%Z*)')
end

local function forget(lease_id)
  redis.call('HDEL', KEYS[1], lease_id)
  redis.call('ZREM', KEYS[2], lease_id)
end

-- Takes off what ended by itself.
local function sweep(until_ms)
  for _, lease_id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', until_ms)) do forget(lease_id) end
end

-- The table goes with its last lease. So no `table` means no lease.
local function keep_table()
  local last = redis.call('ZRANGE', KEYS[2], -1, -1, 'WITHSCORES')
  if not last[2] then return end
  for i = 1, 3 do redis.call('PEXPIREAT', KEYS[i], last[2]) end
end
