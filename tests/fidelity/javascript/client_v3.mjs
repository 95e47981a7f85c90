// One call or conversation by AWS's SDK for JavaScript v3, which finds its endpoint, region and keys in
// the environment. `node client_v3.mjs CASE ARGUMENTS`: ARGUMENTS is JSON, the result is a line of it.
import { createHash } from "node:crypto";
import { Readable } from "node:stream";

import { InvokeCommand, LambdaClient } from "@aws-sdk/client-lambda";
import {
  CopyObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  S3Client,
  paginateListObjectsV2,
} from "@aws-sdk/client-s3";
import { DescribeEndpointCommand, SageMakerClient } from "@aws-sdk/client-sagemaker";
import {
  InvokeEndpointCommand,
  InvokeEndpointWithResponseStreamCommand,
  SageMakerRuntimeClient,
} from "@aws-sdk/client-sagemaker-runtime";
import { GetCallerIdentityCommand, STSClient } from "@aws-sdk/client-sts";
import { Upload } from "@aws-sdk/lib-storage";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";

const text = (bytes) => new TextDecoder().decode(bytes);
const digest = (bytes) => createHash("sha256").update(bytes).digest("hex");
const bytesOf = (length) => Buffer.alloc(length, "sageloop,");

async function listed(s3, bucket, prefix) {
  const keys = [];
  const pages = paginateListObjectsV2({ client: s3, pageSize: 2 }, { Bucket: bucket, Prefix: prefix });
  for await (const page of pages) keys.push(...(page.Contents ?? []).map((entry) => entry.Key));
  return keys;
}

async function read(s3, place) {
  const found = await s3.send(new GetObjectCommand({ ...place, ChecksumMode: "ENABLED" }));
  return { bytes: await found.Body.transformToByteArray(), found };
}

// What the SDK sends is seen by a middleware, just before the signature is made.
function recording(client) {
  const seen = [];
  client.middlewareStack.add(
    (next) => async (args) => {
      const { headers } = args.request;
      seen.push({
        payload: headers["x-amz-content-sha256"] ?? null,
        trailer: headers["x-amz-trailer"] ?? null,
        crc32: headers["x-amz-checksum-crc32"] ?? null,
      });
      return next(args);
    },
    { step: "finalizeRequest", name: "recording", priority: "low" },
  );
  return seen;
}

const CASES = {
  async identity() {
    const { Account, Arn } = await new STSClient().send(new GetCallerIdentityCommand({}));
    return { account: Account, arn: Arn };
  },

  async keys({ bucket, keys }) {
    const s3 = new S3Client();
    const contents = {};
    for (const [index, key] of keys.entries()) {
      const place = { Bucket: bucket, Key: key };
      await s3.send(new PutObjectCommand({ ...place, Body: `body ${index}`, Metadata: { index: `${index}` } }));
      const { bytes, found } = await read(s3, place);
      contents[key] = [text(bytes), found.Metadata.index];
    }
    return { contents, listed: await listed(s3, bucket) };
  },

  async copied({ bucket, from, to }) {
    const s3 = new S3Client();
    await s3.send(new PutObjectCommand({ Bucket: bucket, Key: from, Body: "copied" }));
    const source = `${bucket}/${encodeURIComponent(from)}`;
    await s3.send(new CopyObjectCommand({ Bucket: bucket, Key: to, CopySource: source }));
    const { bytes } = await read(s3, { Bucket: bucket, Key: to });
    const gone = { Objects: [{ Key: from }, { Key: to }] };
    const deleted = await s3.send(new DeleteObjectsCommand({ Bucket: bucket, Delete: gone }));
    return { body: text(bytes), deleted: deleted.Deleted.map((entry) => entry.Key).sort() };
  },

  async streamed({ bucket, key, length }) {
    const s3 = new S3Client();
    const seen = recording(s3);
    const body = bytesOf(length);
    const pieces = [];
    for (let at = 0; at < length; at += 50_000) pieces.push(body.subarray(at, at + 50_000));
    const sent = await s3.send(
      new PutObjectCommand({ Bucket: bucket, Key: key, Body: Readable.from(pieces), ContentLength: length }),
    );
    const { bytes, found } = await read(s3, { Bucket: bucket, Key: key });
    return {
      seen: seen[0],
      same: digest(bytes) === digest(body),
      sent: sent.ChecksumCRC32,
      stored: found.ChecksumCRC32,
      encoding: found.ContentEncoding ?? null,
    };
  },

  async buffered({ bucket, key, body }) {
    const s3 = new S3Client();
    const seen = recording(s3);
    const sent = await s3.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: body }));
    return { seen: seen[0], sent: sent.ChecksumCRC32 };
  },

  async parts({ bucket, key, length }) {
    const client = new S3Client();
    const body = bytesOf(length);
    const upload = new Upload({
      client,
      params: { Bucket: bucket, Key: key, Body: Readable.from([body]) },
      partSize: 5 * 1024 * 1024,
      queueSize: 3,
    });
    const done = await upload.done();
    const head = await client.send(new HeadObjectCommand({ Bucket: bucket, Key: key }));
    const { bytes } = await read(client, { Bucket: bucket, Key: key });
    return {
      same: digest(bytes) === digest(body),
      length: head.ContentLength,
      etag: done.ETag,
      location: done.Location,
    };
  },

  async presigned({ bucket, key, body }) {
    const s3 = new S3Client();
    const put = await getSignedUrl(s3, new PutObjectCommand({ Bucket: bucket, Key: key }), { expiresIn: 60 });
    const get = await getSignedUrl(s3, new GetObjectCommand({ Bucket: bucket, Key: key }), { expiresIn: 60 });
    const stored = await fetch(put, { method: "PUT", body });
    const answer = await fetch(get);
    const other = await fetch(get.replace("X-Amz-Expires=60", "X-Amz-Expires=61"));
    const refused = (await other.text()).match(/<Code>(.*?)<\/Code>/);
    return {
      put: stored.status,
      refusal: stored.ok ? "" : await stored.text(),
      get: answer.status,
      body: await answer.text(),
      other: [other.status, refused?.[1] ?? null],
      query: [...new URL(put).searchParams.keys()].sort(),
    };
  },

  async absent({ bucket }) {
    const found = [];
    for (const command of [
      new GetObjectCommand({ Bucket: bucket, Key: "absent" }),
      new HeadObjectCommand({ Bucket: bucket, Key: "absent" }),
      new GetObjectCommand({ Bucket: `${bucket}-absent`, Key: "absent" }),
    ]) {
      found.push(await new S3Client().send(command).then(() => null, (error) => error.name));
    }
    return found;
  },

  async endpoint({ name }) {
    const described = await new SageMakerClient().send(new DescribeEndpointCommand({ EndpointName: name }));
    const request = { EndpointName: name, Body: "x", ContentType: "text/csv" };
    const runtime = new SageMakerRuntimeClient();
    const whole = await runtime.send(new InvokeEndpointCommand(request));
    const stream = await runtime.send(new InvokeEndpointWithResponseStreamCommand(request));
    const pieces = [];
    for await (const event of stream.Body) pieces.push(text(event.PayloadPart.Bytes));
    return {
      status: described.EndpointStatus,
      created: described.CreationTime instanceof Date,
      whole: text(whole.Body),
      variant: whole.InvokedProductionVariant,
      stream: pieces.join(""),
    };
  },

  async unknown_endpoint() {
    const request = { EndpointName: "nobody", Body: "x" };
    const codes = [];
    for (const [client, command] of [
      [new SageMakerClient(), new DescribeEndpointCommand(request)],
      [new SageMakerRuntimeClient(), new InvokeEndpointCommand(request)],
    ]) {
      codes.push(await client.send(command).then(() => null, (e) => [e.name, e.$metadata.httpStatusCode]));
    }
    return codes;
  },

  async function({ name, payload }) {
    const command = new InvokeCommand({ FunctionName: name, Payload: JSON.stringify(payload), LogType: "Tail" });
    const answer = await new LambdaClient().send(command);
    return {
      status: answer.StatusCode,
      payload: JSON.parse(text(answer.Payload)),
      error: answer.FunctionError ?? null,
      log: Buffer.from(answer.LogResult, "base64").toString(),
    };
  },

  // The errors of three services with other protocols: query, REST XML and JSON.
  async refused({ bucket }) {
    const codes = {};
    for (const [service, client, command] of [
      ["sts", new STSClient(), new GetCallerIdentityCommand({})],
      ["s3", new S3Client(), new GetObjectCommand({ Bucket: bucket, Key: "x" })],
      ["sagemaker", new SageMakerClient(), new DescribeEndpointCommand({ EndpointName: "x" })],
      ["lambda", new LambdaClient(), new InvokeCommand({ FunctionName: "x" })],
    ]) {
      codes[service] = await client.send(command).then(() => null, (error) => error.name);
    }
    return codes;
  },
};

const [name, given] = process.argv.slice(2);
console.log(JSON.stringify(await CASES[name](JSON.parse(given))));
