-- Gives a ready task, whose job BullMQ handed out, to a worker.
-- args: request (nil if the claim comes once), id (nil to look only for what the request did before), worker, epoch,
--       session ('' for none), capacity, lease_of_files ('' for none), workspace
-- answer: lease, task. AGAIN: lease, task: the same request made this claim before, and it stands.
-- Refusals: UNKNOWN; TAKEN; OVER; WAITS; STALE: the worker is gone; NO_ROOM; REQUEST_ID_REUSED.
local request, id, worker = args.request, args.id, args.worker
if request then
  local seen = redis.call('GET', request.key)
  if seen then
    local fingerprint, claimed_id, lease = unpack(cmsgpack.unpack(seen))
    if fingerprint ~= request.fingerprint then return {'REQUEST_ID_REUSED'} end
    local claimed = load(claimed_id)
    if claimed and claimed.state == RUNNING and claimed.lease == lease then
      return {'AGAIN', {lease = lease, task = row(claimed_id, 'errors')}}
    end
  end
end
if not id then return {'UNKNOWN'} end

local task = load(id)
if not task then return {'UNKNOWN'} end
if task.state == RUNNING then return {'TAKEN'} end
if is_over(task) then return {'OVER'} end
if task.state ~= READY and task.state ~= DELAYED then return {'WAITS'} end
-- BullMQ measures delays by its clients' clocks.
if task.state == DELAYED and (tonumber(task.from) or 0) > now + CLOCKS_DIFFER_MS then return {'WAITS'} end
local gone = redis.call('GET', key('gone:' .. worker))
if gone and args.epoch <= tonumber(gone) then return {'STALE'} end
local running = key('running:' .. worker)
if redis.call('SCARD', running) >= args.capacity then return {'NO_ROOM'} end

local lease = tick(clock_key)
enter(task, RUNNING, 'worker', worker, 'epoch', args.epoch, 'lease', lease, 'started', now, 'reported', now,
  'attempts', task.attempts + 1)
redis.call('HDEL', task_key(id), 'stuck', 'session')
if args.session ~= '' then redis.call('HSET', task_key(id), 'session', args.session) end
if args.lease_of_files ~= '' then
  redis.call('HSET', task_key(id), 'files', args.lease_of_files)
  redis.call('ZADD', key('leased'), now, id)
  redis.call('HDEL', key('blocked:' .. args.workspace), id)
end
if task.place ~= '' then redis.call('SET', key('near:' .. task.place), worker, 'PX', 3600 * 1000) end
redis.call('SADD', running, id)
redis.call('ZADD', key('quiet'), now, id)
redis.call('ZADD', key('holders'), now, worker)
log(task.root, 'started', id, {worker = worker})
if request then
  redis.call('SET', request.key, cmsgpack.pack({request.fingerprint, id, lease}), 'PX', request.keep_ms)
end
return answer({lease = lease, task = row(id, 'errors')})
