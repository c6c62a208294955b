-- What the scripts that change file leases share.
-- `files` holds `token since_ms holder NUL lease` under each lease's id; `newest` is the token of the newest lease.
local files_key, deadlines_key, newest_key = KEYS[1], KEYS[2], KEYS[3]

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

-- Lets all three keys end with the last lease. So no `newest` means no lease.
local function keep_table()
  local last = redis.call('ZRANGE', deadlines_key, -1, -1, 'WITHSCORES')
  if not last[2] then return end
  for _, key in ipairs({files_key, deadlines_key, newest_key}) do redis.call('PEXPIREAT', key, last[2]) end
end
