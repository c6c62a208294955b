-- Makes a task of a job that another program put into a queue; of the same job, the same task. A job that its program runs
-- once more after it was completed is a new task, and so is a later job under the same id.
-- args: queue, job, id (of the task, if it is new), spec (packed), priority, max_attempts, backoff_ms
-- answer: id.
local job_key = key('job:' .. args.queue .. ':' .. args.job)
local known = redis.call('GET', job_key)

-- Whether the task of this job is at its end, and BullMQ knew of it.
local function is_done_before(id)
  return redis.call('HGET', task_key(id), 'state') == COMPLETED and not redis.call('ZSCORE', key('outbox'), id)
end

if known and redis.call('EXISTS', task_key(known)) == 1 and not is_job_gone(known) and not is_done_before(known) then
  return answer({id = known})
end

local id = args.id
local made = redis.call('HGET', args.slot .. args.queue .. ':' .. args.job, 'timestamp') or '0'
redis.call('SET', job_key, id, 'PX', 7 * 24 * 3600 * 1000)
redis.call('SET', key('spec:' .. id), args.spec)
redis.call('HSET', task_key(id), 'state', READY, 'queue', args.queue, 'priority', args.priority, 'most', args.max_attempts,
  'pause', args.backoff_ms, 'created', now, 'ready', now, 'job', args.job, 'made', made)
use_queue(id, args.queue)
redis.call('ZADD', key('ready'), now, id)
redis.call('ZADD', key('live'), now, id)
redis.call('ZADD', key('jobs'), now, id)
count('submitted')
log(id, 'submitted', id, {detail = 'by another BullMQ producer'})
return answer({id = id})
