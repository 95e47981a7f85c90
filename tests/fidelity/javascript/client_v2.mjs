// The same by AWS's SDK for JavaScript v2. It takes region and keys from the environment, but knows no
// AWS_ENDPOINT_URL: a program has to hand the variable over, as here.
import { createHash } from "node:crypto";

import AWS from "aws-sdk";

const endpoint = process.env.AWS_ENDPOINT_URL;
const s3Client = (more = {}) => new AWS.S3({ endpoint, s3ForcePathStyle: true, ...more });
const digest = (bytes) => createHash("sha256").update(bytes).digest("hex");

const CASES = {
  async identity() {
    const { Account, Arn } = await new AWS.STS({ endpoint }).getCallerIdentity().promise();
    return { account: Account, arn: Arn };
  },

  async without_endpoint() {
    return new AWS.STS().endpoint.host;
  },

  async keys({ bucket, keys }) {
    const s3 = s3Client();
    const contents = {};
    for (const [index, key] of keys.entries()) {
      const place = { Bucket: bucket, Key: key };
      await s3.putObject({ ...place, Body: `body ${index}`, Metadata: { index: `${index}` } }).promise();
      const found = await s3.getObject(place).promise();
      contents[key] = [found.Body.toString(), found.Metadata.index];
    }
    const { Contents } = await s3.listObjectsV2({ Bucket: bucket }).promise();
    return { contents, listed: Contents.map((entry) => entry.Key) };
  },

  async parts({ bucket, key, length }) {
    const s3 = s3Client({ computeChecksums: true });
    const body = Buffer.alloc(length, "sageloop,");
    const options = { partSize: 5 * 1024 * 1024, queueSize: 3 };
    const done = await s3.upload({ Bucket: bucket, Key: key, Body: body }, options).promise();
    const found = await s3.getObject({ Bucket: bucket, Key: key }).promise();
    return { same: digest(found.Body) === digest(body), length: found.ContentLength, etag: done.ETag };
  },

  async presigned({ bucket, key, body, version }) {
    const s3 = s3Client(version ? { signatureVersion: version } : {});
    const place = { Bucket: bucket, Key: key, Expires: 60 };
    const put = await s3.getSignedUrlPromise("putObject", place);
    const get = await s3.getSignedUrlPromise("getObject", place);
    // Of a text, fetch() would state a type, and a signature of version 2 is for the type too.
    const stored = await fetch(put, { method: "PUT", body: new TextEncoder().encode(body) });
    const answer = await fetch(get);
    return {
      put: stored.status,
      refusal: stored.ok ? "" : await stored.text(),
      get: answer.status,
      body: await answer.text(),
      query: [...new URL(get).searchParams.keys()].sort(),
    };
  },

  async endpoint({ name }) {
    const described = await new AWS.SageMaker({ endpoint }).describeEndpoint({ EndpointName: name }).promise();
    const request = { EndpointName: name, Body: "x", ContentType: "text/csv" };
    const answer = await new AWS.SageMakerRuntime({ endpoint }).invokeEndpoint(request).promise();
    return { status: described.EndpointStatus, whole: answer.Body.toString() };
  },

  async function({ name, payload }) {
    const request = { FunctionName: name, Payload: JSON.stringify(payload) };
    const answer = await new AWS.Lambda({ endpoint }).invoke(request).promise();
    return { status: answer.StatusCode, payload: JSON.parse(answer.Payload) };
  },

  async refused({ bucket }) {
    const codes = {};
    for (const [service, request] of [
      ["sts", new AWS.STS({ endpoint }).getCallerIdentity()],
      ["s3", s3Client().getObject({ Bucket: bucket, Key: "x" })],
      ["sagemaker", new AWS.SageMaker({ endpoint }).describeEndpoint({ EndpointName: "x" })],
      ["lambda", new AWS.Lambda({ endpoint }).invoke({ FunctionName: "x" })],
    ]) {
      codes[service] = await request.promise().then(() => null, (error) => error.code);
    }
    return codes;
  },
};

const [name, given] = process.argv.slice(2);
console.log(JSON.stringify(await CASES[name](JSON.parse(given))));
