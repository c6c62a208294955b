-- Gives a ready task, whose job BullMQ handed out, to a worker.
-- ARGV: ..., did, fingerprint, keep_did_ms, task, worker, epoch, session, capacity, file lease ('' for none), workspace
-- OK: now_us, owed, id, lease, the task. AGAIN: id, lease, the task: the same request was answered so, and the claim stands.
-- Refusals: UNKNOWN; TAKEN; OVER state; WAITS state; STALE: the worker is gone; NO_ROOM; REQUEST_ID_REUSED.
local CLOCKS_DIFFER_MS = 2000
local id, worker = ARGV[6], ARGV[7]
if ARGV[3] ~= '' then
  local seen = redis.call('GET', ARGV[3])
  if seen then
    local record = cmsgpack.unpack(seen)
    if record[1] ~= ARGV[4] then return {'REQUEST_ID_REUSED'} end
    local claimed = load(record[2])
    if claimed and claimed.state == RUNNING and claimed.lease == record[3] then
      return {'AGAIN', record[2], record[3], row(record[2], 'errors')}
    end
  end
end
if id == '' then return {'UNKNOWN'} end

local task = load(id)
if not task then return {'UNKNOWN'} end
if task.state == RUNNING then return {'TAKEN'} end
if is_over(task) then return {'OVER', task.state} end
if task.state ~= READY and task.state ~= DELAYED then return {'WAITS', task.state} end
-- BullMQ measures delays by its clients' clocks.
if task.state == DELAYED and (tonumber(task.from) or 0) > now + CLOCKS_DIFFER_MS then return {'WAITS', task.state} end
local gone = redis.call('GET', key('gone:' .. worker))
if gone and tonumber(ARGV[8]) <= tonumber(gone) then return {'STALE'} end
local holds = key('running:' .. worker)
if redis.call('SCARD', holds) >= tonumber(ARGV[10]) then return {'NO_ROOM'} end

local lease = tick(KEYS[1])
enter(task, RUNNING, 'worker', worker, 'epoch', ARGV[8], 'lease', lease, 'started', now, 'reported', now,
  'attempts', task.attempts + 1)
redis.call('HDEL', task_key(id), 'stuck', 'session')
if ARGV[9] ~= '' then redis.call('HSET', task_key(id), 'session', ARGV[9]) end
if ARGV[11] ~= '' then
  redis.call('HSET', task_key(id), 'files', ARGV[11])
  redis.call('ZADD', key('leased'), now, id)
  redis.call('HDEL', key('blocked:' .. ARGV[12]), id)
end
if task.place ~= '' then redis.call('SET', key('near:' .. task.place), worker, 'PX', 3600 * 1000) end
redis.call('SADD', holds, id)
redis.call('ZADD', key('quiet'), now, id)
redis.call('ZADD', key('holders'), now, worker)
log(task.root, 'started', id, 'w', worker)
if ARGV[3] ~= '' then redis.call('SET', ARGV[3], cmsgpack.pack({ARGV[4], id, lease}), 'PX', ARGV[5]) end
return answer(id, lease, row(id, 'errors'))
