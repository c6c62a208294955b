-- How jobs that have ended are forgotten, for the scripts that do it: `tasks` counts the tasks that were looked at, `forgotten`
-- the jobs that went.

-- Forgets a task that has ended, with the job that BullMQ kept of it; the job of another program is its owner's.
local function forget(id)
  local queue, job = unpack(redis.call('HMGET', task_key(id), 'queue', 'job'), 1, 2)
  if job then
    local job_key = key('job:' .. queue .. ':' .. job)
    if redis.call('GET', job_key) == id then redis.call('DEL', job_key) end
  elseif queue then
    queue = args.slot .. queue .. ':'
    redis.call('ZREM', queue .. 'completed', id)
    redis.call('ZREM', queue .. 'failed', id)
    redis.call('DEL', queue .. id, queue .. id .. ':logs')
  end
  forget_lineage(id)
  redis.call('DEL', task_key(id), text_key(id), key('spec:' .. id), key('after:' .. id))
  redis.call('ZREM', key('dead'), id)
  redis.call('ZREM', key('outbox'), id)
end

local finished, dead_jobs = key('finished'), key('dead-jobs')
local forgotten, tasks = 0, 0

-- The tasks of a job, and how many of them are in the dead letter.
local function tasks_of(root_id)
  local ids, dead = redis.call('LRANGE', key('parts:' .. root_id), 0, -1), 0
  ids[#ids + 1] = root_id
  for _, id in ipairs(ids) do
    if redis.call('ZSCORE', key('dead'), id) then dead = dead + 1 end
  end
  tasks = tasks + #ids
  return ids, dead
end

local function forget_job(root_id, ids, list)
  for _, id in ipairs(ids) do forget(id) end
  redis.call('DEL', key('parts:' .. root_id), key('log:' .. root_id))
  redis.call('ZREM', list, root_id)
  redis.call('ZREM', key('jobs'), root_id)
  forgotten = forgotten + 1
end

