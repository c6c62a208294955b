-- What the scripts of an inbox share.
local messages_key, deadlines_key, senders_key = KEYS[1], KEYS[2], KEYS[3]

-- The one consumer group, and its one consumer: readers are not told apart, only which messages are out now.
local GROUP = 'reader'

-- What the unread messages are counted by: each sender, each caller that sent some, and SHIM itself. Messages of older
-- versions are counted nowhere.
local OWN = 'own'
local function of_sender(name) return 's:' .. name end
local function of_caller(name) return 'c:' .. name end

local function count_by(field, by)
  if redis.call('HINCRBY', senders_key, field, by) <= 0 then redis.call('HDEL', senders_key, field) end
end

local function counted(field) return tonumber(redis.call('HGET', senders_key, field) or 0) end

-- Counts a message on or off, by what its entry holds.
local function count_entry(fields, by)
  local entry = {}
  for i = 1, #fields, 2 do entry[fields[i]] = fields[i + 1] end
  if entry.own then
    count_by(OWN, by)
  elseif entry.from then
    count_by(of_sender(entry.from), by)
    count_by(of_caller(entry.by), by)
    count_by('bytes', by * #entry.message)
  end
end

-- Deletes messages for good; returns how many were there.
local function acknowledge(ids)
  if #ids == 0 then return 0 end
  for _, id in ipairs(ids) do
    local entry = redis.call('XRANGE', messages_key, id, id)[1]
    if entry then count_entry(entry[2], -1) end
  end
  redis.call('XACK', messages_key, GROUP, unpack(ids))
  redis.call('ZREM', deadlines_key, unpack(ids))
  return redis.call('XDEL', messages_key, unpack(ids))
end
