-- Finds the queues whose events in BullMQ tell something that was not read yet.
-- args: queues
-- answer: unread (positions of the queues, from 0).
local unread = {}
for i, name in ipairs(args.queues) do
  if has_unread_events(name) then unread[#unread + 1] = i - 1 end
end
return answer({unread = unread})
