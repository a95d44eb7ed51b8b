-- wrk's side of wrk.py. Arguments: a file, and optionally "look".
-- The file has the sizes of the requests in its first line, and then the requests, which are sent in turn.
-- With "look" each answer is looked at: that costs the client time, so it is for the slower workloads.

local requests, turn, threads = {}, 0, {}

-- What is global here can be read from done(), which runs in a Lua state of its own.
others = {}

local function count(what)
  others[what] = (others[what] or 0) + 1
end

local function look(status, headers, body)
  if status ~= 200 then
    count("status " .. status)
  elseif body:find('"default":true', 1, true) then
    count(body:match('"default_reason":"([^"]*)"') or "unsaid")
  end
end

function setup(thread)
  table.insert(threads, thread)
end

function init(args)
  local file = assert(io.open(args[1], "rb"))
  for size in file:read("*l"):gmatch("%d+") do
    table.insert(requests, file:read(tonumber(size)))
  end
  file:close()
  if args[2] == "look" then
    response = look
  end
end

function request()
  turn = turn % #requests + 1
  return requests[turn]
end

function done(summary, latency)
  local parts = {}
  for i = 1, #latency do
    local micros, times = latency(i)
    table.insert(parts, string.format("[%d,%d]", micros, times))
  end
  local reasons = {}
  for _, thread in ipairs(threads) do
    for what, times in pairs(thread:get("others")) do
      table.insert(reasons, string.format('["%s",%d]', what, times))
    end
  end
  local errors = summary.errors
  io.stderr:write(string.format(
    '{"requests":%d,"micros":%d,"unanswered":%d,"refused":%d,"others":[%s],"histogram":[%s]}',
    summary.requests, summary.duration, errors.connect + errors.read + errors.write + errors.timeout,
    errors.status, table.concat(reasons, ","), table.concat(parts, ",")))
end
